#include "pipeline/jpeg_exif.h"

#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

#include "pipeline/exif.h"

namespace millrace {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);

bool begins(Bytes segment, std::string_view with) {
  return segment.size() >= with.size() && std::memcmp(segment.data(), with.data(), with.size()) == 0;
}

}  // namespace

int exif_orientation(Bytes jpeg) {
  constexpr std::uint8_t kStartOfImage = 0xD8, kEndOfImage = 0xD9, kStartOfScan = 0xDA, kApp1 = 0xE1;
  if (jpeg.size() < 4 || jpeg[0] != 0xFF || jpeg[1] != kStartOfImage) return 1;
  std::optional<int> exif, xmp;
  bool seen_exif = false;
  std::size_t at = 2;
  while (true) {
    if (at >= jpeg.size() || jpeg[at] != 0xFF) break;
    while (at < jpeg.size() && jpeg[at] == 0xFF) ++at; // Fill bytes are allowed before a marker.
    if (jpeg.size() - at < 3) break;
    const std::uint8_t marker = jpeg[at];
    if (marker == kStartOfScan || marker == kEndOfImage) break;
    const std::size_t length = std::size_t(jpeg[at + 1]) << 8 | jpeg[at + 2]; // Counts itself.
    if (length < 2 || jpeg.size() - at - 1 < length) break;
    const Bytes segment = jpeg.subspan(at + 3, length - 2);
    if (marker == kApp1 && begins(segment, kExif) && !seen_exif) {
      seen_exif = true; // Further segments continue the first.
      const bool doubled = begins(segment.subspan(kExif.size()), kExif);
      exif = tiff_orientation(segment.subspan(doubled ? 2 * kExif.size() : kExif.size()));
    }
    if (marker == kApp1 && begins(segment, kXmp)) xmp = xmp_orientation(segment.subspan(kXmp.size()));
    at += 1 + length;
  }
  return orientation_of(exif, xmp);
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
