#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "pipeline/image.h"
#include "pipeline/recipe.h"

namespace millrace::augment {

/// One byte for each byte.
using Table = std::array<std::uint8_t, 256>;

/// ((float)v / 255 - mean) / std in float32, as 256-entry tables: exact by construction.
/// Shape: `value[c][v]`; channels beyond the first are unset for grey pictures.
struct Normalizer {
  int channels = 1;
  std::array<std::array<float, 256>, 3> value;
  /// The four bytes of each value in tables of their own, for byte shuffles.
  std::array<std::array<std::array<std::uint8_t, 256>, 4>, 3> plane;
  /// AVX2 divides by a product and a correction (fused multiply-adds). Used only where all 256 results of every channel were
  /// found equal to the tables' when this was made.
  bool by_formula = false;
  std::array<float, 3> mean, std, inverse_std;
};

/// Empty mean and std: v / 255. One value serves all channels.
/// Errors: none; the caller has checked that std is positive and the counts are 1 or `channels`.
Normalizer make_normalizer(int channels, std::span<const double> mean, std::span<const double> std);
/// Tables that first apply `tables` (one a channel) to a byte.
Normalizer compose(const Normalizer& normalizer, const std::array<Table, 3>& tables);

/// Contiguous interleaved pixels to float32, nchw or nhwc. `first_pixel` of `total_pixels`: where in the picture they belong, so
/// that a picture can be written in parts.
void normalize(const std::uint8_t* pixels, std::size_t count, const Normalizer& normalizer, Layout layout, float* picture,
               std::size_t first_pixel, std::size_t total_pixels);
/// A whole picture.
void normalize(ImageView in, const Normalizer& normalizer, Layout layout, float* picture);

/// Contiguous interleaved RGB to three planes.
void planes_from_rgb(const std::uint8_t* pixels, std::size_t count, std::uint8_t* r, std::uint8_t* g, std::uint8_t* b);

}  // namespace millrace::augment
