#include "pipeline/exif.h"

#include <bit>
#include <cstddef>
#include <string_view>

namespace millrace {
namespace {

using Bytes = std::span<const std::uint8_t>;

enum TiffType : std::uint32_t {
  kByte = 1, kAscii, kShort, kLong, kRational, kSignedByte, kUndefined, kSignedShort, kSignedLong, kSignedRational, kFloat, kDouble, kIfd, kLong8 = 16
};

/// Of one value; 0: a type that is not known, whose entry counts for nothing.
std::uint64_t bytes_of(std::uint32_t type) {
  switch (type) {
    case kByte:
    case kAscii:
    case kSignedByte:
    case kUndefined: return 1;
    case kShort:
    case kSignedShort: return 2;
    case kLong:
    case kSignedLong:
    case kFloat:
    case kIfd: return 4;
    case kRational:
    case kSignedRational:
    case kDouble:
    case kLong8: return 8;
    default: return 0;
  }
}

/// Integers of a TIFF block, in its byte order. Reads past the end give 0.
struct Tiff {
  Bytes bytes;
  bool big_endian;

  std::uint64_t at(std::uint64_t offset, unsigned count) const {
    if (offset > bytes.size() || bytes.size() - offset < count) return 0;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i) value = value << 8 | bytes[static_cast<std::size_t>(offset) + (big_endian ? i : count - 1 - i)];
    return value;
  }
};

int orientation_if_whole(double value) { return value >= 1 && value <= 8 && value == static_cast<int>(value) ? static_cast<int>(value) : 1; }

int orientation_at(const Tiff& tiff, std::uint64_t at, std::uint32_t type) {
  const std::uint64_t four = tiff.at(at, 4), next_four = tiff.at(at + 4, 4);
  switch (type) {
    case kShort:
    case kSignedShort: return orientation_if_whole(static_cast<double>(tiff.at(at, 2)));
    case kLong:
    case kSignedLong:
    case kIfd: return orientation_if_whole(static_cast<double>(four));
    case kSignedByte: return orientation_if_whole(static_cast<double>(tiff.at(at, 1)));
    case kLong8: return orientation_if_whole(static_cast<double>(tiff.at(at, 8)));
    case kFloat: return orientation_if_whole(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(four))));
    case kDouble: return orientation_if_whole(std::bit_cast<double>(tiff.at(at, 8)));
    case kRational: return next_four == 0 ? 1 : orientation_if_whole(static_cast<double>(four) / static_cast<double>(next_four));
    case kSignedRational: {
      const auto numerator = static_cast<std::int32_t>(four), denominator = static_cast<std::int32_t>(next_four);
      return denominator == 0 ? 1 : orientation_if_whole(static_cast<double>(numerator) / denominator);
    }
    default: return 1;  // BYTE, ASCII and UNDEFINED are no numbers to Pillow.
  }
}

}  // namespace

std::optional<int> tiff_orientation(Bytes block) {
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::uint64_t kEntryBytes = 12;
  if (block.size() < 8) return {};
  const bool big = block[0] == 'M' && block[1] == 'M';
  const bool magic = (block[2] == 42 && block[3] == 0) || (block[2] == 0 && block[3] == 42);  // Pillow takes either order of these two.
  if ((!big && !(block[0] == 'I' && block[1] == 'I')) || !magic) return {};
  const Tiff tiff{block, big};
  const std::uint64_t directory = tiff.at(4, 4), entries = tiff.at(directory, 2);
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + kEntryBytes * i;
    if (entry + kEntryBytes > block.size()) return {};
    const auto type = static_cast<std::uint32_t>(tiff.at(entry + 2, 2));
    const std::uint64_t size = tiff.at(entry + 4, 4) * bytes_of(type);
    if (size == 0) continue;
    std::uint64_t at = entry + 8;
    if (size > 4) {  // The values lie elsewhere. One that claims more than the block holds is passed over; one beyond it ends the reading.
      at = tiff.at(entry + 8, 4);
      total += size;
      if (total > block.size()) continue;
      if (at > block.size() || block.size() - at < size) return {};
    }
    if (tiff.at(entry, 2) == kOrientation) return orientation_at(tiff, at, type);
  }
  return {};
}

std::optional<int> xmp_orientation(Bytes packet) {
  const std::string_view text(reinterpret_cast<const char*>(packet.data()), packet.size()), tag = "tiff:Orientation";
  for (std::size_t at = text.find(tag); at != text.npos; at = text.find(tag, at + 1)) {
    std::string_view rest = text.substr(at + tag.size());
    if (rest.starts_with("=\"")) rest.remove_prefix(2);
    else if (rest.starts_with(">")) rest.remove_prefix(1);
    else continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] >= '1' && rest[0] <= '8' ? rest[0] - '0' : 1;
  }
  return {};
}

}  // namespace millrace
