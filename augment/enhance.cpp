#include "augment/enhance.h"

#include <cstring>

#include "augment/enhance_kernels.h"

namespace millrace::augment {

int mean_luma(ImageView in) {
  const double count = static_cast<double>(in.width) * in.height;
  return static_cast<int>(static_cast<double>(sum_luma(in)) / count + 0.5);
}

void color(ImageView in, float factor, MutableImageView out) {
  if (in.channels != 1) return blend_with_luma(in, factor, out);
  if (in.data == out.data) return;
  for (int y = 0; y < in.height; ++y) std::memcpy(out.row(y), in.row(y), static_cast<std::size_t>(in.width));
}

void grayscale(ImageView in, MutableImageView out) { color(in, 0.0f, out); }

void smooth(ImageView in, MutableImageView out) { sharpness(in, 0.0f, out); }

void sharpness(ImageView in, float factor, MutableImageView out) {
  const auto row_bytes = static_cast<std::size_t>(in.width * in.channels);
  for (int y = 0; y < in.height; ++y) {
    // The border, and pictures too small for the filter, are their own smoothed version; blending a value with itself keeps it.
    if (in.width < 3 || in.height < 3 || y == 0 || y == in.height - 1)
      std::memcpy(out.row(y), in.row(y), row_bytes);
    else
      sharpen_row(in, y, factor, out.row(y));
  }
}

}  // namespace millrace::augment
