#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace millrace {

/// The orientation tag of a TIFF block, as EXIF keeps it: 1..8, or 1 where its value is none of these; empty where the tag is not there.
/// Taken as Pillow takes it: of any numeric type but BYTE, the first value of several, in either byte order.
/// Reads in place: no allocation, every offset checked, any bytes allowed. Threads: any.
/// Source: EXIF 2.3, tag 0x0112 of IFD0; TIFF 6.0, section 2; Pillow 13 TiffImagePlugin.py and ImageOps.exif_transpose.
std::optional<int> tiff_orientation(std::span<const std::uint8_t> block);

/// The same of an XMP packet: the first tiff:Orientation in it. Pillow asks it where EXIF does not say.
std::optional<int> xmp_orientation(std::span<const std::uint8_t> packet);

/// What a picture's metadata says together: EXIF first, then XMP, else upright (1).
inline int orientation_of(std::optional<int> exif, std::optional<int> xmp) { return exif ? *exif : xmp.value_or(1); }

}  // namespace millrace
