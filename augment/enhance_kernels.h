#pragma once
#include <cstdint>

#include "pipeline/image.h"

// Inner loops of enhance.cpp, dispatched at run time. Not part of the public surface.
namespace millrace::augment {

std::uint64_t sum_luma(ImageView in);
/// Three channels.
void blend_with_luma(ImageView in, float factor, MutableImageView out);
/// Row y, not the first or last one; the width is 3 or more.
void sharpen_row(ImageView in, int y, float factor, std::uint8_t* out);

}  // namespace millrace::augment
