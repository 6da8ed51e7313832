#pragma once
#include <cstdint>
#include <span>

#include "pipeline/image.h"

namespace millrace {

/// The orientation of a JPEG file, 1..8, by its EXIF segment or else its XMP segment (exif.h); 1 where neither says or they are
/// malformed. Reads in place: no allocation, every offset checked, any bytes allowed.
int exif_orientation(std::span<const std::uint8_t> jpeg);

/// How pixels as stored become the upright picture: transpose first (5..8), then mirror in stored coordinates.
struct Orientation {
  bool transpose = false, mirror_x = false, mirror_y = false;

  static Orientation from_exif(int orientation);
  bool identity() const { return !transpose && !mirror_x && !mirror_y; }
  /// Size of the upright picture.
  Size upright(Size stored) const;
  /// The stored rectangle behind a rectangle of the upright picture.
  Roi stored(const Roi& upright, Size stored) const;
  /// Writes the upright form of `from`; `to` has the size `upright(from.size())` and does not overlap it.
  void apply(const ImageView& from, const MutableImageView& to) const;
};

}  // namespace millrace
