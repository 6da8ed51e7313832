#pragma once
#include <memory>
#include <string>
#include <vector>

#include "datasets/file.h"
#include "pipeline/source.h"

namespace millrace {

/// A set of raw pictures that lies in memory whole: what IDX, CIFAR and generated sets become.
/// Shape: N x H x W x C, uint8, without gaps; one label a picture.
struct RawSet {
  std::string name;
  std::vector<std::string> classes;
  Size size;
  int channels = 1;
  SetMemory pixels;
  std::vector<std::uint8_t> labels;  ///< Below the number of classes.
  std::string path = {};             ///< The folder it was read from; empty: none.
};

/// Takes the set over. `read` hands out views into it: no copy, no lock, no allocation.
/// The fingerprint is one XXH3 over shape, labels and pixels (about 10 GB/s).
/// Errors: none, for a set whose memory has the size that its labels say.
std::unique_ptr<Source> make_raw_source(RawSet set);

/// "0", "1", ... count - 1.
std::vector<std::string> numbered_classes(int count);

/// 16 hexadecimal digits.
std::string hex64(std::uint64_t value);

}  // namespace millrace
