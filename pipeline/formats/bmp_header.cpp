// What Pillow's BmpImagePlugin reads is read, and as it reads it; the rest is refused by name.
#include <algorithm>
#include <optional>
#include <string>

#include "pipeline/formats/bmp.h"

namespace millrace {
namespace {

constexpr std::uint32_t kFileHeader = 14, kOs2V1 = 12, kOs2V2 = 64, kInfo = 40, kWithRgbMasks = 52, kWithRgbaMasks = 56;
constexpr std::uint32_t kPlain = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3;

std::string hex(std::uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15];
  return text;
}

tl::unexpected<Fault> unsupported(std::uint64_t offset, std::string what) { return refuse(FaultKind::unsupported, offset, std::move(what)); }

/// The channels of bit masks. Only those that Pillow knows: red, green, blue and alpha.
std::optional<std::array<BmpChannel, 3>> channels_of(int bits, const std::array<std::uint32_t, 4>& masks) {
  using Masks = std::array<std::uint32_t, 4>;
  constexpr std::array<BmpChannel, 3> kBgr{{{16, 255}, {8, 255}, {0, 255}}};
  const Masks rgb{masks[0], masks[1], masks[2], 0};
  if (bits == 16 && rgb == Masks{0xf800, 0x7e0, 0x1f, 0}) return {{{{11, 31}, {5, 63}, {0, 31}}}};
  if (bits == 16 && rgb == Masks{0x7c00, 0x3e0, 0x1f, 0}) return {{{{10, 31}, {5, 31}, {0, 31}}}};
  if (bits == 24 && rgb == Masks{0xff0000, 0xff00, 0xff, 0}) return kBgr;
  if (bits != 32) return {};
  if (masks == Masks{}) return kBgr;
  if (rgb == Masks{0xff0000, 0xff00, 0xff, 0} && (masks[3] == 0 || masks[3] == 0xff000000)) return kBgr;
  if (rgb == Masks{0xff000000, 0xff0000, 0xff00, 0} && (masks[3] == 0 || masks[3] == 0xff)) return {{{{24, 255}, {16, 255}, {8, 255}}}};
  if (rgb == Masks{0xff000000, 0xff00, 0xff, 0} && (masks[3] == 0 || masks[3] == 0xff0000)) return {{{{24, 255}, {8, 255}, {0, 255}}}};
  if (masks == Masks{0xff, 0xff00, 0xff0000, 0xff000000}) return {{{{0, 255}, {8, 255}, {16, 255}}}};
  return {};
}

/// The colours of indices. A palette of the greys that its indices are is none to Pillow: indices beyond it are values too.
Expected<void> read_colors(FileBytes bytes, std::uint64_t at, std::uint32_t count, std::uint64_t entry_bytes, BmpHeader& header) {
  if (count > 256) return unsupported(46, "a BMP palette of " + std::to_string(count) + " colours");
  if (at + entry_bytes * count > bytes.size()) return refuse(FaultKind::truncated, bytes.size(), "the file ends in the BMP's palette");
  bool greys = true;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t from = static_cast<std::size_t>(at + entry_bytes * i);
    header.colors[i] = {bytes[from + 2], bytes[from + 1], bytes[from]};
    const std::uint32_t grey = count == 2 ? 255 * i : i;
    greys = greys && std::ranges::all_of(header.colors[i], [&](std::uint8_t value) { return value == grey; });
  }
  if (!greys) return {};
  // Pillow takes the pixels for bytes then, or for bits where there are two greys or one, whatever the file says that they are.
  const bool plain = header.packing == BmpPacking::plain;
  if (count > 2 ? plain && header.bits != 8 : !plain || header.bits != 1)
    return unsupported(46, "a BMP of " + std::to_string(header.bits) + " bits a pixel with " + std::to_string(count) + " greys");
  if (count > 2)
    for (std::uint32_t i = count; i < 256; ++i) header.colors[i].fill(static_cast<std::uint8_t>(i));
  else header.colors[1].fill(255);
  return {};
}

}  // namespace

Expected<BmpHeader> read_bmp_header(FileBytes bytes) {
  const auto ends_early = [&] { return refuse(FaultKind::truncated, bytes.size(), "the file ends in the BMP header"); };
  if (bytes.size() < kFileHeader + 4) return ends_early();
  const std::uint32_t size = little32(bytes, kFileHeader);
  constexpr std::array kSizes{kOs2V1, kInfo, kWithRgbMasks, kWithRgbaMasks, kOs2V2, 108u, 124u};
  if (std::ranges::find(kSizes, size) == kSizes.end()) return unsupported(kFileHeader, "a BMP header of " + std::to_string(size) + " bytes");
  if (bytes.size() < kFileHeader + size) return ends_early();

  BmpHeader header;
  std::uint32_t compression = kPlain, count = 0;
  std::uint64_t after = kFileHeader + size;  // Where masks and palette begin.
  if (size == kOs2V1) {
    header.width = little16(bytes, 18);
    header.height = little16(bytes, 20);
    header.bits = static_cast<int>(little16(bytes, 24));
  } else {
    header.width = little32(bytes, 18);
    header.top_down = bytes[25] == 0xff;  // A negative height; Pillow looks at its highest byte alone.
    header.height = header.top_down ? (std::int64_t{1} << 32) - little32(bytes, 22) : little32(bytes, 22);
    header.bits = static_cast<int>(little16(bytes, 28));
    compression = little32(bytes, 30);
    count = little32(bytes, 46);
  }
  constexpr std::array kBits{1, 4, 8, 16, 24, 32};
  if (std::ranges::find(kBits, header.bits) == kBits.end()) return unsupported(28, "a BMP of " + std::to_string(header.bits) + " bits a pixel");
  if (compression > kBitFields || (size == kOs2V2 && compression == kBitFields))
    return unsupported(30, "a compressed BMP (method " + std::to_string(compression) + ")");
  if ((compression == kRle8 && header.bits != 8) || (compression == kRle4 && header.bits != 4))
    return unsupported(30, "a BMP of " + std::to_string(header.bits) + " bits a pixel in run lengths of " + (compression == kRle8 ? "8" : "4"));
  header.packing = compression == kRle8 ? BmpPacking::rle8 : compression == kRle4 ? BmpPacking::rle4 : BmpPacking::plain;

  header.pixels_at = little32(bytes, 10);
  if (header.bits > 8) {
    std::array<std::uint32_t, 4> masks{0xff0000, 0xff00, 0xff, 0};
    if (header.bits == 16) masks = {0x7c00, 0x3e0, 0x1f, 0};
    if (compression == kBitFields) {
      const std::uint64_t at = kFileHeader + kInfo;  // Part of the larger headers, behind the smallest.
      if (bytes.size() < at + 12) return ends_early();
      for (std::size_t i = 0; i < 3; ++i) masks[i] = little32(bytes, at + 4 * i);
      masks[3] = size >= kWithRgbaMasks ? little32(bytes, at + 12) : 0;
      after = std::max(after, at + 12);
    }
    const auto channels = channels_of(header.bits, masks);
    if (!channels)
      return unsupported(kFileHeader + kInfo, "a BMP of " + std::to_string(header.bits) + " bits a pixel with the masks " + hex(masks[0]) + " " + hex(masks[1]) + " " + hex(masks[2]) + " " + hex(masks[3]));
    header.channels = *channels;
  } else {
    if (compression == kBitFields) return unsupported(30, "bit masks in a BMP of " + std::to_string(header.bits) + " bits a pixel");
    if (count == 0) count = 1u << header.bits;
    const std::uint64_t entry_bytes = size == kOs2V1 ? 3 : 4;
    const Expected<void> read = read_colors(bytes, after, count, entry_bytes, header);
    if (!read) return tl::make_unexpected(read.error());
    if (header.pixels_at == after) header.pixels_at += entry_bytes * count;  // Some writers forget the palette when they count.
    after += entry_bytes * count;
  }
  if (header.pixels_at == 0) header.pixels_at = after;
  return header;
}

}  // namespace millrace
