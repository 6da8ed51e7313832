#pragma once
#include <cstdint>

// Inner loop of crop.cpp's mirror images, dispatched at run time. Not part of the public surface.
namespace millrace::augment {

/// A row of RGB pixels in reverse order; no overlap.
void reverse_rgb(const std::uint8_t* from, int width, std::uint8_t* to);

}  // namespace millrace::augment
