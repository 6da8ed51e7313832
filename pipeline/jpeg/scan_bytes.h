#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/release_large.h"

namespace millrace::jpeg {

struct Kernels;

/// The entropy-coded bytes of a scan in a copy without stuffing (T.81 B.1.1.5), so that refilling a bit buffer needs no look at each
/// byte. Its restart intervals follow each other without their markers. Costs 1-2 % of a decode.
/// Threads: one user at a time. Owns: the copy, which stays between calls.
class ScanBytes {
 public:
  /// Copies the scan that `from` begins with. False unless it is what it should be: `intervals` intervals, ended by RST0, RST1 ... RST7,
  /// RST0 ... in turn, and the last by EOI.
  bool copy(const Kernels& kernels, std::span<const std::uint8_t> from, std::size_t intervals);

  /// Gives the copy back where it takes more than photographs do.
  void release_large() { millrace::release_large(bytes_); }

  const std::uint8_t* data() const { return bytes_.data(); }
  std::size_t size() const { return ends_.back(); }
  /// Offsets in `data` of an interval's first byte and of the byte behind its last.
  std::size_t begin(std::size_t interval) const { return interval == 0 ? 0 : ends_[interval - 1]; }
  std::size_t end(std::size_t interval) const { return ends_[interval]; }

 private:
  Buffer bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace millrace::jpeg
