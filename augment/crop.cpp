#include "augment/crop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "augment/flip_kernels.h"

namespace millrace::augment {
namespace {

// The coordinate that padding copies from, for any distance outside (reflections repeat).
int source_of(int i, int n, PadMode mode) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case PadMode::constant:
      return -1;
    case PadMode::edge:
      return std::clamp(i, 0, n - 1);
    case PadMode::reflect: {
      if (n == 1) return 0;
      const int period = 2 * (n - 1), m = ((i % period) + period) % period;
      return m < n ? m : period - m;
    }
    case PadMode::symmetric:
      break;
  }
  const int period = 2 * n, m = ((i % period) + period) % period;
  return m < n ? m : period - 1 - m;
}

void put(std::uint8_t* to, const std::uint8_t* from, int channels) {
  for (int c = 0; c < channels; ++c) to[c] = from[c];
}

}  // namespace

void crop(ImageView in, int left, int top, PadMode mode, const Fill& fill, MutableImageView out) {
  const int channels = in.channels;
  const int first = std::clamp(-left, 0, out.width), last = std::clamp(in.width - left, first, out.width);  // Columns that are inside.
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    const int source = source_of(y + top, in.height, mode);
    const auto pad = [&](int x) {
      const int column = source < 0 ? -1 : source_of(x + left, in.width, mode);
      put(to + x * channels, column < 0 ? fill.data() : in.row(source) + column * channels, channels);
    };
    const int inside_first = source < 0 ? out.width : first;
    for (int x = 0; x < inside_first; ++x) pad(x);
    if (source < 0) continue;
    if (last > first)
      std::memcpy(to + first * channels, in.row(source) + (left + first) * channels, static_cast<std::size_t>((last - first) * channels));
    for (int x = last; x < out.width; ++x) pad(x);
  }
}

void flip_horizontal(ImageView in, MutableImageView out) {
  const int w = in.width, channels = in.channels;
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* from = in.row(y);
    std::uint8_t* to = out.row(y);
    if (channels == 1) {
      if (from == to)
        std::reverse(to, to + w);
      else
        std::reverse_copy(from, from + w, to);
      continue;
    }
    if (from != to) {
      reverse_rgb(from, w, to);
      continue;
    }
    // In place: by way of a copy where it fits, otherwise pixel by pixel.
    constexpr int kLongest = 2048;
    if (w <= kLongest) {
      std::uint8_t copy[3 * kLongest];
      std::memcpy(copy, from, static_cast<std::size_t>(3 * w));
      reverse_rgb(copy, w, to);
      continue;
    }
    for (int x = 0; x < w - 1 - x; ++x) std::swap_ranges(to + 3 * x, to + 3 * x + 3, to + 3 * (w - 1 - x));
  }
}

void flip_vertical(ImageView in, MutableImageView out) {
  const auto bytes = static_cast<std::size_t>(in.width * in.channels);
  const bool in_place = in.data == out.data;
  for (int y = 0; y < (in_place ? in.height / 2 : in.height); ++y) {
    std::uint8_t* to = out.row(y);
    std::uint8_t* opposite = out.row(in.height - 1 - y);
    if (in_place)
      std::swap_ranges(to, to + bytes, opposite);
    else
      std::memcpy(to, in.row(in.height - 1 - y), bytes);
  }
}

Roi center_crop_window(Size picture, Size window) {
  const auto place = [](int n, int wanted) {
    const int missing = std::max(0, wanted - n), before = missing / 2;
    return static_cast<int>(std::nearbyint((n + missing - wanted) / 2.0)) - before;
  };
  return {place(picture.width, window.width), place(picture.height, window.height), window.width, window.height};
}

/// More than any picture is computed for: sides of thin pictures end here, so that they stay numbers.
constexpr int kEndless = 1 << 30;

Size size_for_shorter_side(Size p, int shorter) {
  const auto longer = [&](int long_side, int short_side) {
    return static_cast<int>(std::min<std::int64_t>(kEndless, std::int64_t{shorter} * long_side / short_side));
  };
  if (p.width <= p.height) return p.width == shorter ? p : Size{shorter, longer(p.height, p.width)};
  return p.height == shorter ? p : Size{longer(p.width, p.height), shorter};
}

Size size_for_fit(Size p, Size wanted, bool cover) {
  const double x = static_cast<double>(p.width) / wanted.width, y = static_cast<double>(p.height) / wanted.height;
  const double q = cover ? std::min(x, y) : std::max(x, y);
  const auto side = [&](int n) { return std::max(1, static_cast<int>(std::min<double>(kEndless, std::nearbyint(n / q)))); };
  return {side(p.width), side(p.height)};
}

}  // namespace millrace::augment
