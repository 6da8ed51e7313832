#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "datasets/checksums.h"
#include "datasets/idx.h"
#include "pipeline/source.h"

namespace millrace {

struct CifarOptions {
  enum class Set : std::uint8_t { cifar10, cifar100 };
  enum class Labels : std::uint8_t { fine, coarse };   ///< Of CIFAR-100: 100 classes, or 20.
  std::filesystem::path folder;      ///< That of the .bin files, or the one that holds it under its usual name.
  Set set = Set::cifar10;
  Split split = Split::train;
  Labels labels = Labels::fine;
  Verify verify = Verify::warn;      ///< Of the number of records; see checksums.h.
  WarningSink warn;                  ///< Called on the opening thread.
};

/// CIFAR-10 and CIFAR-100 in their binary form: records of one label byte (CIFAR-100: coarse, then fine) and 3,072 bytes,
/// the planes R, G, B of 32 x 32 pixels. Usual folders: cifar-10-batches-bin (data_batch_1.bin .. data_batch_5.bin,
/// test_batch.bin), cifar-100-binary (train.bin, test.bin).
/// Shape:   32 x 32 x 3, interleaved once when the set is opened (31 MB for 10,000 pictures, in memory).
/// A file holds any whole number of records; another number than the published one is told as `verify` says.
/// Classes: from batches.meta.txt, fine_label_names.txt or coarse_label_names.txt; without it CIFAR-10's published names,
///          for CIFAR-100 the numbers.
/// Errors:  Error(data) with file, byte offset, cause: missing, not readable, empty, a part of a record at the end, a label
///          out of range, another number of class names, more than 4 GiB.
/// Source:  Krizhevsky, "Learning multiple layers of features from tiny images", 2009; the layout is its web page's.
std::unique_ptr<Source> open_cifar(const CifarOptions& options);

}  // namespace millrace
