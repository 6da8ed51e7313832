#pragma once
#include "augment/affine.h"

// Inner loops of affine.cpp. Not part of the public surface.
namespace millrace::augment {

/// Nearest by 16.16 integers: starts and steps; every coordinate of the output fits an int32.
struct FixedMap {
  std::int32_t x_start, y_start, x_column, y_column, x_row, y_row;
};

// Dispatched at run time. `filter` is bilinear or bicubic.
void affine_nearest_fixed(ImageView in, const FixedMap& map, const Fill& fill, MutableImageView out, Buffer& scratch);
void affine_interpolated(ImageView in, const AffineMap& map, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch);

// The definition: one pixel after the other, in the order in which the specification writes its expressions.
void affine_nearest_fixed_plain(ImageView in, const FixedMap& map, const Fill& fill, MutableImageView out);
void affine_interpolated_plain(ImageView in, const AffineMap& map, Filter filter, const Fill& fill, MutableImageView out);

}  // namespace millrace::augment
