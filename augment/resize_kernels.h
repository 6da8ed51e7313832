#pragma once
#include "augment/resize_taps.h"
#include "pipeline/image.h"

// Inner loops of resize.cpp, dispatched at run time. Not part of the public surface.
namespace millrace::augment {

/// Rows of `in` to rows of `out` (taps.length wide).
void resize_horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out);
/// One row of `bytes` bytes from `count` rows that are `stride` bytes apart.
void resize_row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* out);

}  // namespace millrace::augment
