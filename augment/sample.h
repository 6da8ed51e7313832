#pragma once
#include <cstdint>

#include "pipeline/image.h"

namespace millrace::augment {

// Bilinear resize without antialias: Millrace's own definition, the sampling of OpenCV's INTER_LINEAR and torch's
// align_corners = false with weights of 15 bits. Output i of m, from n values, per axis in double:
//   c = (i + 0.5) * n / m - 0.5, j = floor(c), w = min(32767, floor((c - j) * 32768 + 0.5)); j < 0: j = 0, w = 0;
//   j >= n - 1: j = n - 1, w = 0;      out = v[j] + (((v[j + 1] - v[j]) * w + 2^14) >> 15)
// First along the rows, then along the columns, with a uint8 picture in between.

/// One axis: index and weight of each output.
struct SampleAxis {
  int length = 0;
  std::int32_t* first = nullptr;
  std::int16_t* weight = nullptr;
  std::uint8_t* packed = nullptr;  ///< Room for the kernels' own form, 64-byte aligned.
};
/// Bytes of memory for an axis, at any alignment.
std::size_t sample_bytes(int length);
/// Outputs [begin, begin + length) of `out_length`, backwards if `mirrored`.
SampleAxis make_sample_axis(int in_length, int out_length, int begin, int length, bool mirrored, std::uint8_t* memory);

/// Rows of `in` to rows of `out`, axis.length wide.
void sample_horizontally(ImageView in, const SampleAxis& axis, MutableImageView out);
/// One row between two.
void sample_row(const std::uint8_t* a, const std::uint8_t* b, std::int16_t weight, int bytes, std::uint8_t* out);

}  // namespace millrace::augment
