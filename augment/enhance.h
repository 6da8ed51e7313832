#pragma once
#include "pipeline/buffer.h"
#include "pipeline/image.h"

// Blends of a picture with a degenerate one. Source: Pillow Blend.c, Convert.c, Filter.c, ImageEnhance.py.
// Threads: any. Errors: none. Factors are float32, as in Pillow.
namespace millrace::augment {

/// d at factor 0, x at 1; between and beyond, truncated (not rounded) and clamped.
inline std::uint8_t blend(std::uint8_t d, std::uint8_t x, float factor) {
  if (factor == 0.0f) return d;
  if (factor == 1.0f) return x;
  const float scaled = factor * static_cast<float>(x - d);
  const float t = static_cast<float>(d) + scaled;
  if (t <= 0.0f) return 0;
  if (t >= 255.0f) return 255;
  return static_cast<std::uint8_t>(t);
}

/// L = (19595 R + 38470 G + 7471 B + 32768) >> 16; `out` has one channel.
void luma(ImageView in, MutableImageView out);
/// trunc(mean of L + 0.5): the grey that contrast blends with.
int mean_luma(ImageView in);

/// Blend with L (saturation); one channel: a copy. In place where `in` and `out` are the same picture.
void color(ImageView in, float factor, MutableImageView out);
/// L in all channels; in place as `color`.
void grayscale(ImageView in, MutableImageView out);
/// 3 x 3, centre 5, neighbours 1, over 13, rounded; the border is copied. No overlap.
void smooth(ImageView in, MutableImageView out);
/// Blend with smooth. No overlap.
void sharpness(ImageView in, float factor, MutableImageView out);

}  // namespace millrace::augment
