#include "pipeline/jpeg/scan_bytes.h"

#include <cstring>

#include "pipeline/jpeg/kernels.h"

namespace millrace::jpeg {

bool ScanBytes::copy(const Kernels& kernels, std::span<const std::uint8_t> from, std::size_t intervals) {
  constexpr std::uint8_t kRst0 = 0xD0, kEoi = 0xD9;
  Copied at{from.data(), bytes_.reserve(from.size() + kReadAheadBytes)};
  const std::uint8_t* const end = from.data() + from.size();
  ends_.clear();
  while (ends_.size() < intervals) {
    at = kernels.unstuff(at.from, end, at.to);
    if (end - at.from < 2) return false;
    const std::uint8_t code = at.from[1];
    const bool last = ends_.size() + 1 == intervals;
    if (code != (last ? kEoi : kRst0 + ends_.size() % 8)) return false;
    ends_.push_back(std::size_t(at.to - bytes_.data()));
    at.from += 2;
  }
  std::memset(at.to, 0, kReadAheadBytes);
  return true;
}

}  // namespace millrace::jpeg
