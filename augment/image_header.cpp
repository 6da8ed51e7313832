#include "augment/image_header.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::augment {
namespace {

using Bytes = std::span<const std::uint8_t>;

tl::unexpected<Fault> fault(FaultKind kind, std::uint64_t offset, std::string detail) {
  return tl::make_unexpected(Fault{.kind = kind, .offset_bytes = offset, .detail = std::move(detail)});
}
tl::unexpected<Fault> ends_early(const Bytes& b, const char* where) {
  return fault(FaultKind::truncated, b.size(), std::string("the file ends in ").append(where));
}

std::uint32_t big32(const Bytes& b, std::size_t at) {
  return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3];
}
std::uint32_t little32(const Bytes& b, std::size_t at) {
  return std::uint32_t{b[at + 3]} << 24 | std::uint32_t{b[at + 2]} << 16 | std::uint32_t{b[at + 1]} << 8 | b[at];
}
std::uint32_t little24(const Bytes& b, std::size_t at) { return std::uint32_t{b[at + 2]} << 16 | std::uint32_t{b[at + 1]} << 8 | b[at]; }
std::uint32_t little16(const Bytes& b, std::size_t at) { return std::uint32_t{b[at + 1]} << 8 | b[at]; }
bool is_text(const Bytes& b, std::size_t at, std::string_view text) {
  return b.size() >= at + text.size() && std::memcmp(b.data() + at, text.data(), text.size()) == 0;
}

Expected<ImageHeader> sized(ImageFormat format, std::int64_t width, std::int64_t height, std::int64_t max_pixels) {
  if (width < 1 || height < 1)
    return fault(FaultKind::corrupt, 0, "a picture of " + std::to_string(width) + " x " + std::to_string(height));
  if (width > max_pixels || height > max_pixels || width * height > max_pixels)
    return fault(FaultKind::too_large, 0,
                 std::to_string(width) + " x " + std::to_string(height) + " pixels, the limit is " + std::to_string(max_pixels));
  return ImageHeader{format, {static_cast<int>(width), static_cast<int>(height)}};
}

// Signature, IHDR, then chunk after chunk up to IEND.
Expected<ImageHeader> png(const Bytes& b, std::int64_t max_pixels) {
  if (b.size() < 33) return ends_early(b, "the PNG header");
  if (big32(b, 8) != 13 || !is_text(b, 12, "IHDR")) return fault(FaultKind::corrupt, 8, "PNG without an IHDR chunk");
  const int depth = b[24], color = b[25];
  if (depth == 16 && (color == 0 || color == 4)) return fault(FaultKind::unsupported, 24, "16-bit grey PNG: convert it to 8 bits");
  for (std::size_t at = 33;;) {
    if (b.size() < at + 12) return ends_early(b, "a PNG chunk");
    if (is_text(b, at + 4, "IEND")) break;
    const std::uint64_t next = at + 12 + std::uint64_t{big32(b, at)};
    if (next > b.size()) return ends_early(b, "a PNG chunk");
    at = static_cast<std::size_t>(next);
  }
  return sized(ImageFormat::png, big32(b, 16), big32(b, 20), max_pixels);
}

Expected<ImageHeader> bmp(const Bytes& b, std::int64_t max_pixels) {
  if (b.size() < 30) return ends_early(b, "the BMP header");
  const std::uint32_t pixels = little32(b, 10), dib = little32(b, 14);
  std::int64_t width = 0, height = 0;
  std::uint32_t bits = 0, compression = 0;
  if (dib == 12) {
    width = little16(b, 18);
    height = little16(b, 20);
    bits = little16(b, 24);
  } else if (dib >= 40 && b.size() >= 34) {
    width = static_cast<std::int32_t>(little32(b, 18));
    height = std::abs(static_cast<std::int64_t>(static_cast<std::int32_t>(little32(b, 22))));
    bits = little16(b, 28);
    compression = little32(b, 30);
  } else {
    return fault(FaultKind::unsupported, 14, "BMP header of " + std::to_string(dib) + " bytes");
  }
  if (compression != 0 && compression != 3)
    return fault(FaultKind::unsupported, 30, "compressed BMP (method " + std::to_string(compression) + ")");
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    return fault(FaultKind::corrupt, 28, "BMP of " + std::to_string(bits) + " bits a pixel");
  auto header = sized(ImageFormat::bmp, width, height, max_pixels);
  if (!header) return header;
  const std::uint64_t row = (static_cast<std::uint64_t>(width) * bits + 31) / 32 * 4;
  if (pixels + row * static_cast<std::uint64_t>(height) > b.size()) return ends_early(b, "the BMP's pixels");
  return header;
}

Expected<ImageHeader> webp(const Bytes& b, std::int64_t max_pixels) {
  if (b.size() < 30) return ends_early(b, "the WebP header");
  if (std::uint64_t{little32(b, 4)} + 8 > b.size()) return ends_early(b, "the WebP container");
  if (is_text(b, 12, "VP8X")) {
    if (b[20] & 2) return fault(FaultKind::unsupported, 20, "animated WebP");
    return sized(ImageFormat::webp, little24(b, 24) + 1, little24(b, 27) + 1, max_pixels);
  }
  if (is_text(b, 12, "VP8L")) {
    if (b[20] != 0x2f) return fault(FaultKind::corrupt, 20, "lossless WebP without its signature");
    const std::uint32_t v = little32(b, 21);
    return sized(ImageFormat::webp, (v & 0x3fff) + 1, (v >> 14 & 0x3fff) + 1, max_pixels);
  }
  if (is_text(b, 12, "VP8 ")) {
    if (b[23] != 0x9d || b[24] != 0x01 || b[25] != 0x2a) return fault(FaultKind::corrupt, 23, "WebP without a key frame");
    return sized(ImageFormat::webp, little16(b, 26) & 0x3fff, little16(b, 28) & 0x3fff, max_pixels);
  }
  return fault(FaultKind::corrupt, 12, "WebP without a picture");
}

}  // namespace

Expected<ImageHeader> read_image_header(std::span<const std::uint8_t> bytes, std::int64_t max_pixels) {
  if (is_text(bytes, 0, "\x89PNG\r\n\x1a\n")) return png(bytes, max_pixels);
  if (is_text(bytes, 0, "BM")) return bmp(bytes, max_pixels);
  if (is_text(bytes, 0, "RIFF") && is_text(bytes, 8, "WEBP")) return webp(bytes, max_pixels);
  if (bytes.size() < 12) return ends_early(bytes, "the first bytes");
  return fault(FaultKind::unsupported, 0, "neither JPEG, PNG, WebP nor BMP");
}

}  // namespace millrace::augment
