#include "jpeg_compare.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace millrace::test {
namespace {

std::size_t below(std::mt19937_64& random, std::size_t n) { return std::size_t(random() % n); }

/// Whole pictures, single pixels, and anything between.
Roi random_roi(Size size, std::mt19937_64& random) {
  const auto side = [&](int full) {
    switch (random() % 4) {
      case 0: return full;
      case 1: return 1 + int(below(random, std::size_t(std::min(full, 4))));
      default: return 1 + int(below(random, std::size_t(full)));
    }
  };
  const int width = side(size.width), height = side(size.height);
  return {int(below(random, std::size_t(size.width - width + 1))), int(below(random, std::size_t(size.height - height + 1))), width, height};
}

std::string text(const Fault& fault) { return std::to_string(int(fault.kind)) + " at " + std::to_string(fault.offset_bytes) + ": " + fault.detail; }

}  // namespace

std::size_t scan_of(const File& file) {
  for (std::size_t i = file.size(); i-- > 4;)
    if (file[i - 4] == 0xFF && file[i - 3] == 0xDA) return std::min(file.size(), i - 2 + (std::size_t(file[i - 2]) << 8 | file[i - 1]));
  return file.size();
}

File damaged(const File& file, std::size_t scan, std::mt19937_64& random) {
  File out = file;
  const bool scan_only = random() % 3 != 0 && scan < file.size();
  for (unsigned n = 1 + unsigned(random() % 4); n > 0 && out.size() > 4; --n) {
    const std::size_t from = scan_only ? std::min(scan, out.size() - 1) : 2, at = from + below(random, out.size() - from);
    const auto here = out.begin() + std::ptrdiff_t(at);
    switch (random() % 7) {
      case 0: *here = std::uint8_t(random()); break;
      case 1: *here ^= std::uint8_t(1u << random() % 8); break;
      case 2: *here = 0xFF; break;
      case 3: out.erase(here); break;
      case 4: out.insert(here, *here); break;
      case 5: out.insert(here, {0xFF, std::uint8_t(0xD0 + random() % 8)}); break;
      default: // Cut off, or an end in the middle.
        out.resize(at);
        out.insert(out.end(), {0xFF, 0xD9});
    }
  }
  return out;
}

std::optional<std::string> BothDecoders::difference(std::span<const std::uint8_t> bytes, std::mt19937_64& random) {
  const auto memory = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), memory.get());
  const std::span<const std::uint8_t> file(memory.get(), bytes.size());
  const auto info = fast_.header(file);
  if (!info) return {};
  ++files_;
  const Roi roi = random_roi(info->size, random);
  const std::string place = " (crop " + std::to_string(roi.width) + "x" + std::to_string(roi.height) + "+" + std::to_string(roi.left) + "+" +
                            std::to_string(roi.top) + " of " + std::to_string(info->size.width) + "x" + std::to_string(info->size.height) + ")";
  const std::uint64_t fast_warnings = fast_.counts().warnings, library_warnings = library_.counts().warnings;
  const auto fast = fast_.decode(file, roi, fast_canvas_), library = library_.decode(file, roi, library_canvas_);
  if (fast.has_value() != library.has_value())
    return (fast ? "only the fast decoder delivers; " + text(library.error()) : "only libjpeg-turbo delivers; " + text(fast.error())) + place;
  if (!fast) {
    if (text(fast.error()) != text(library.error())) return "other faults: " + text(fast.error()) + ", " + text(library.error()) + place;
    return {};
  }
  if (fast_.counts().warnings - fast_warnings != library_.counts().warnings - library_warnings) return "other warnings" + place;
  if (!equal(*fast, *library)) return "other pixels" + place;
  return {};
}

}  // namespace millrace::test
