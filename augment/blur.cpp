#include "augment/blur.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace millrace::augment {
namespace {

// The radius of a box whose threefold use has the variance of the Gaussian; float32 as in Pillow.
float box_radius(float radius) {
  const float s2 = radius * radius / 3;
  const auto g = static_cast<float>(std::sqrt(12.0 * s2 + 1.0));
  const auto l = static_cast<float>(std::floor((g - 1.0) / 2.0));
  float e = (2 * l + 1) * (l * (l + 1) - 3 * s2);
  e /= 6 * (s2 - (l + 1) * (l + 1));
  return l + e;
}

struct Box {
  int radius;
  std::uint32_t weight, edge_weight;
};

Box box_of(float radius) {
  const int whole = static_cast<int>(radius);
  const auto weight = static_cast<std::uint32_t>((1 << 24) / (radius * 2 + 1));
  return {whole, weight, ((1u << 24) - static_cast<std::uint32_t>(2 * whole + 1) * weight) / 2};
}

// One pass along a line of `count` values, `step` bytes apart, for `lanes` lines side by side.
void pass(const std::uint8_t* from, std::uint8_t* to, int count, std::ptrdiff_t step, int lanes, const Box& box, std::uint32_t* sums) {
  const auto line = [&](int i) { return from + std::clamp(i, 0, count - 1) * step; };
  std::fill(sums, sums + lanes, 0u);
  for (int i = -box.radius; i <= box.radius; ++i)
    for (int k = 0; k < lanes; ++k) sums[k] += line(i)[k];
  for (int i = 0; i < count; ++i) {
    const std::uint8_t *before = line(i - box.radius - 1), *after = line(i + box.radius + 1), *leaves = line(i - box.radius);
    std::uint8_t* result = to + i * step;
    for (int k = 0; k < lanes; ++k) {
      result[k] =
          static_cast<std::uint8_t>((box.weight * sums[k] + box.edge_weight * (std::uint32_t{before[k]} + after[k]) + (1u << 23)) >> 24);
      sums[k] += std::uint32_t{after[k]} - leaves[k];
    }
  }
}

}  // namespace

void gaussian_blur(ImageView in, double radius, MutableImageView out, Buffer& scratch) {
  const int width = in.width, height = in.height, channels = in.channels;
  const auto row_bytes = static_cast<std::size_t>(width * channels);
  const float r = box_radius(static_cast<float>(radius));
  if (!(r > 0)) {
    for (int y = 0; y < height; ++y) std::memcpy(out.row(y), in.row(y), row_bytes);
    return;
  }
  const Box box = box_of(r);
  const std::size_t plane = (row_bytes * static_cast<std::size_t>(height) + 63) / 64 * 64;
  std::uint8_t* first = scratch.reserve(2 * plane + 4 * row_bytes + 64);
  std::uint8_t* second = first + plane;
  auto* sums = reinterpret_cast<std::uint32_t*>(second + plane);
  for (int y = 0; y < height; ++y) {
    std::uint8_t *a = first + static_cast<std::size_t>(y) * row_bytes, *b = second + static_cast<std::size_t>(y) * row_bytes;
    pass(in.row(y), a, width, channels, channels, box, sums);
    pass(a, b, width, channels, channels, box, sums);
    pass(b, a, width, channels, channels, box, sums);
  }
  const auto step = static_cast<std::ptrdiff_t>(row_bytes);
  const int lanes = static_cast<int>(row_bytes);
  pass(first, second, height, step, lanes, box, sums);
  pass(second, first, height, step, lanes, box, sums);
  pass(first, second, height, step, lanes, box, sums);
  for (int y = 0; y < height; ++y) std::memcpy(out.row(y), second + static_cast<std::size_t>(y) * row_bytes, row_bytes);
}

}  // namespace millrace::augment
