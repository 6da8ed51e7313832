#pragma once
#include <cstdint>

#include "pipeline/recipe.h"

namespace millrace::augment {

/// The weights of one axis. Output i is (2^21 + sum over j < count[i] of in[first[i] + j] * weight[i * stride + j]) >> 22,
/// clipped to a byte.
struct ResizeTaps {
  int length = 0, stride = 0;  ///< Outputs; weights kept for each of them (unused ones are 0).
  std::int32_t *first = nullptr, *count = nullptr, *weight = nullptr;
  std::uint8_t* packed = nullptr;  ///< Room for the kernels' own form of the weights, 64-byte aligned.
};

/// What `fill_taps` needs for `length` of `out_length` outputs: in int32s.
std::size_t taps_words(double box_length, int out_length, Filter filter, bool antialias, int length);

/// Pillow's precompute_coeffs: outputs [begin, begin + length) of `out_length`, of the part [b0, b1] of an axis of `in_length`.
/// Without antialias the filter keeps its own width where the axis shrinks. `memory` holds taps_words(...) values of the same `length`. Filters: box, bilinear,
/// hamming, bicubic, lanczos.
ResizeTaps fill_taps(int in_length, float b0, float b1, int out_length, Filter filter, bool antialias, int begin, int length,
                     std::int32_t* memory);

}  // namespace millrace::augment
