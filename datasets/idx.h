#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datasets/checksums.h"
#include "pipeline/source.h"

namespace millrace {

/// Which part of a set that is published in two.
enum class Split : std::uint8_t { train, test };

struct IdxOptions {
  std::filesystem::path folder;
  std::string name = "mnist";       ///< "mnist" and "fashion-mnist" have known sums and class names.
  Split split = Split::train;
  std::string files;                ///< What stands before "train-images-idx3-ubyte" in the files' names, without the dash: "emnist-letters".
  std::vector<std::string> classes; ///< Empty: the set's own, or "0" .. "9" where `name` is not known.
  bool count_classes = false;       ///< Without `classes`: "0", "1", ... (from first_label) up to the largest label, instead.
  int first_label = 0;              ///< The label of the first class: 1 for EMNIST's letters.
  Verify verify = Verify::warn;
  WarningSink warn;                 ///< Called on the opening thread.
};

/// MNIST, Fashion-MNIST and others of their form: two IDX files, N x H x W uint8 pictures and N uint8 labels.
/// Looked for, in this order: {train,t10k}-{images-idx3,labels-idx1}-ubyte, the same with a dot before "idx", each then
/// with .gz; with test- for t10k- as EMNIST has it; then all of them in raw/, MNIST/raw/ and FashionMNIST/raw/ (by `name`), where
/// torchvision keeps them. What a file is, plain or gzip, its first two bytes say.
/// The set is read into memory whole (47 MB for MNIST) rather than mapped: a file that shrinks under a mapping kills the
/// process, and huge pages make random reads cheaper.
/// Bounds:  a header may declare up to 65,535 x 65,535 pixels and 4 GiB in all; memory is asked for only after a plain
///          file's size agrees with its header, or a gzip file is large enough to hold what its header declares
///          (deflate reaches 1032:1); what unpacks to more is refused at the first byte too many.
/// Errors:  Error(data) with file, byte offset, cause: missing, a folder in place of a file, not readable, wrong magic,
///          truncated, over-long, damaged gzip, counts of pictures and labels that differ, a label without a class; and
///          by `verify`, another SHA-256 than the known one.
/// Source:  the IDX format as described on the page of the MNIST database (LeCun, Cortes, Burges).
std::unique_ptr<Source> open_idx(const IdxOptions& options);

}  // namespace millrace
