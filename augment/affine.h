#pragma once
#include <array>
#include <cstdint>

#include "pipeline/buffer.h"
#include "pipeline/image.h"
#include "pipeline/recipe.h"

namespace millrace::augment {

using Fill = std::array<std::uint8_t, 3>;  ///< One value a channel; grey pictures use the first.

/// a0 .. a5 of the map from output to input, in continuous coordinates (pixel centres at +0.5):
/// X = a0 x + a1 y + a2, Y = a3 x + a4 y + a5.
using AffineMap = std::array<double, 6>;

/// out(x, y) = in(map(x, y)); `fill` where the map leaves the input. Pillow's Geometry.c to the bit: nearest in 16.16 fixed
/// point (accumulated steps where the map only scales and shifts), bilinear and bicubic (a = -0.5) in double with edge taps
/// clamped, truncated, never blended with the fill. Other filters count as bilinear.
/// Shapes: any sizes, equal channels (1 or 3); `in` and `out` must not overlap.
/// Threads: any, each with its own scratch. Errors: none.
void affine(ImageView in, const AffineMap& map, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch);

/// Pillow's rotate: counter-clockwise about the centre, size kept; multiples of 90 degrees are exact turns where the size
/// allows. `quarter_turns` returns 0 .. 3 for those, or -1: then rotate_map gives the map.
int quarter_turns(double degrees, Size size);
AffineMap rotate_map(double degrees, Size size);
/// Exact turn, counter-clockwise. `out` has the size of `in` (90 and 270 degrees: square).
void turn(ImageView in, int quarters, MutableImageView out);
void rotate(ImageView in, double degrees, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch);

/// torchvision's inverse matrix (functional.py): degrees, clockwise; translation in pixels, right and down; shears in degrees.
struct TorchvisionAffine {
  double angle = 0, translate_x = 0, translate_y = 0, scale = 1, shear_x = 0, shear_y = 0;
};
AffineMap torchvision_map(const TorchvisionAffine& p, double center_x, double center_y);

}  // namespace millrace::augment
