#include "pipeline/jpeg_exif.h"

#include <cstddef>
#include <cstring>

namespace millrace {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Integers of a TIFF block, in its byte order. Reads past the end give 0.
struct Tiff {
  Bytes bytes;
  bool big_endian;

  std::uint32_t at(std::size_t offset, int count) const {
    if (offset > bytes.size() || bytes.size() - offset < std::size_t(count)) return 0;
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | bytes[offset + std::size_t(big_endian ? i : count - 1 - i)];
    return value;
  }
};

int orientation_of_tiff(Bytes block) {
  constexpr std::uint32_t kTag = 0x0112, kShort = 3;
  if (block.size() < 8) return 1;
  const bool big = block[0] == 'M' && block[1] == 'M';
  if (!big && !(block[0] == 'I' && block[1] == 'I')) return 1;
  const Tiff tiff{block, big};
  if (tiff.at(2, 2) != 42) return 1;
  const std::size_t directory = tiff.at(4, 4);
  const std::uint32_t entries = tiff.at(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t(12) * i;
    if (entry + 12 > block.size()) return 1;
    if (tiff.at(entry, 2) != kTag) continue;
    const std::uint32_t value = tiff.at(entry + 8, 2);
    return tiff.at(entry + 2, 2) == kShort && tiff.at(entry + 4, 4) == 1 && value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(Bytes jpeg) {
  constexpr std::uint8_t kStartOfImage = 0xD8, kEndOfImage = 0xD9, kStartOfScan = 0xDA, kApp1 = 0xE1;
  if (jpeg.size() < 4 || jpeg[0] != 0xFF || jpeg[1] != kStartOfImage) return 1;
  std::size_t at = 2;
  while (true) {
    if (at >= jpeg.size() || jpeg[at] != 0xFF) return 1;
    while (at < jpeg.size() && jpeg[at] == 0xFF) ++at; // Fill bytes are allowed before a marker.
    if (jpeg.size() - at < 3) return 1;
    const std::uint8_t marker = jpeg[at];
    if (marker == kStartOfScan || marker == kEndOfImage) return 1;
    const std::size_t length = std::size_t(jpeg[at + 1]) << 8 | jpeg[at + 2]; // Counts itself.
    if (length < 2 || jpeg.size() - at - 1 < length) return 1;
    const Bytes segment = jpeg.subspan(at + 3, length - 2);
    if (marker == kApp1 && segment.size() >= 6 && std::memcmp(segment.data(), "Exif\0\0", 6) == 0)
      return orientation_of_tiff(segment.subspan(6));
    at += 1 + length;
  }
}

Orientation Orientation::from_exif(int orientation) {
  const auto one_of = [orientation](int a, int b, int c, int d) {
    return orientation == a || orientation == b || orientation == c || orientation == d;
  };
  return {one_of(5, 6, 7, 8), one_of(2, 3, 7, 8), one_of(3, 4, 6, 7)};
}

Size Orientation::upright(Size stored) const { return transpose ? Size{stored.height, stored.width} : stored; }

Roi Orientation::stored(const Roi& upright, Size stored) const {
  Roi roi = transpose ? Roi{upright.top, upright.left, upright.height, upright.width} : upright;
  if (mirror_x) roi.left = stored.width - roi.left - roi.width;
  if (mirror_y) roi.top = stored.height - roi.top - roi.height;
  return roi;
}

void Orientation::apply(const ImageView& from, const MutableImageView& to) const {
  const std::ptrdiff_t step_x = mirror_x ? -from.channels : from.channels;
  const std::ptrdiff_t step_y = mirror_y ? -from.stride_bytes : from.stride_bytes;
  const std::uint8_t* const origin = from.row(mirror_y ? from.height - 1 : 0) + (mirror_x ? from.width - 1 : 0) * from.channels;
  const std::ptrdiff_t along = transpose ? step_y : step_x, down = transpose ? step_x : step_y;
  for (int y = 0; y < to.height; ++y) {
    const std::uint8_t* in = origin + y * down;
    std::uint8_t* out = to.row(y);
    for (int x = 0; x < to.width; ++x, in += along, out += from.channels)
      for (int c = 0; c < from.channels; ++c) out[c] = in[c];
  }
}

}  // namespace millrace
