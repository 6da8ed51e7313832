#include "augment/resize_taps.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace millrace::augment {
namespace {

double box_weight(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear_weight(double x) {
  const double y = std::abs(x);
  return y < 1.0 ? 1.0 - y : 0.0;
}

double hamming_weight(double x) {
  const double y = std::abs(x);
  if (y == 0.0) return 1.0;
  if (y >= 1.0) return 0.0;
  const double u = y * std::numbers::pi;
  return std::sin(u) / u * (0.54f + 0.46f * std::cos(u));
}

double bicubic_weight(double x) {
  const double y = std::abs(x);
  if (y < 1.0) return (1.5 * y - 2.5) * y * y + 1;
  if (y < 2.0) return (((y - 5) * y + 8) * y - 4) * -0.5;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  const double v = x * std::numbers::pi;
  return std::sin(v) / v;
}

double lanczos_weight(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

double support_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return 0.5;
    case Filter::bicubic:
      return 2.0;
    case Filter::lanczos:
      return 3.0;
    default:
      return 1.0;
  }
}

int stride_of(double box_length, int out_length, Filter filter, bool antialias) {
  const double scale = antialias ? std::max(box_length / out_length, 1.0) : 1.0;
  return static_cast<int>(std::ceil(support_of(filter) * scale)) * 2 + 1;
}

template <class Weight>
void fill(const Weight& weight_at, int in_length, double b0, double scale, double widened, double support, int begin, ResizeTaps& taps,
          double* values) {
  const double reach = support * widened, inverse = 1.0 / widened;
  for (int i = 0; i < taps.length; ++i) {
    const double center = b0 + (begin + i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(center - reach + 0.5)), high = std::min(in_length, static_cast<int>(center + reach + 0.5));
    double sum = 0;
    for (int j = low; j < high; ++j) {
      const double w = weight_at((j - center + 0.5) * inverse);
      values[j - low] = w;
      sum += w;
    }
    std::int32_t* to = taps.weight + static_cast<std::ptrdiff_t>(i) * taps.stride;
    const int count = high - low;
    for (int j = 0; j < count; ++j) {
      const double w = sum != 0.0 ? values[j] / sum : values[j];
      to[j] = static_cast<std::int32_t>(w * (1 << 22) + (w < 0 ? -0.5 : 0.5));
    }
    for (int j = count; j < taps.stride; ++j) to[j] = 0;
    taps.first[i] = low;
    taps.count[i] = count;
  }
}

}  // namespace

std::size_t taps_words(double box_length, int out_length, Filter filter, bool antialias, int length) {
  const auto stride = static_cast<std::size_t>(stride_of(box_length, out_length, filter, antialias)), outputs = static_cast<std::size_t>(length);
  const std::size_t groups = (stride + 3) / 4, packed_words = outputs * (32 + 48 * groups) + 128;  // One output a block at the worst.
  return outputs * (stride + 2) + 2 * stride + 2 + packed_words;  // 2 strides: doubles in use while filling.
}

ResizeTaps fill_taps(int in_length, float b0, float b1, int out_length, Filter filter, bool antialias, int begin, int length,
                     std::int32_t* memory) {
  const float box_length = b1 - b0;
  const double scale = static_cast<double>(box_length) / out_length;
  ResizeTaps taps;
  taps.length = length;
  taps.stride = stride_of(static_cast<double>(box_length), out_length, filter, antialias);
  auto* values = reinterpret_cast<double*>(memory);
  taps.first = memory + 2 * taps.stride + 2;
  taps.count = taps.first + length;
  taps.weight = taps.count + length;
  const auto end = reinterpret_cast<std::uintptr_t>(taps.weight + static_cast<std::ptrdiff_t>(length) * taps.stride);
  taps.packed = reinterpret_cast<std::uint8_t*>((end + 63) / 64 * 64);
  const double support = support_of(filter), widened = antialias ? std::max(scale, 1.0) : 1.0;
  switch (filter) {
    case Filter::box:
      fill(box_weight, in_length, b0, scale, widened, support, begin, taps, values);
      break;
    case Filter::hamming:
      fill(hamming_weight, in_length, b0, scale, widened, support, begin, taps, values);
      break;
    case Filter::bicubic:
      fill(bicubic_weight, in_length, b0, scale, widened, support, begin, taps, values);
      break;
    case Filter::lanczos:
      fill(lanczos_weight, in_length, b0, scale, widened, support, begin, taps, values);
      break;
    default:
      fill(bilinear_weight, in_length, b0, scale, widened, support, begin, taps, values);
  }
  return taps;
}

}  // namespace millrace::augment
