#include "augment/affine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <vector>

#include "augment/affine_kernels.h"

namespace millrace::augment {
namespace {

constexpr double kRadians = std::numbers::pi / 180.0;

void put(std::uint8_t* to, const std::uint8_t* from, int channels) {
  for (int c = 0; c < channels; ++c) to[c] = from[c];
}

// Column of the input for each column of the output, -1 outside. Accumulated in double, as Pillow does: not a0 * x + a2.
void accumulate(double start, double step, int limit, int count, std::int32_t* indices) {
  double at = start + step * 0.5;
  for (int i = 0; i < count; ++i, at += step) indices[i] = at >= 0 && at < limit ? static_cast<std::int32_t>(at) : -1;
}

bool is_run(const std::int32_t* indices, int count) {
  for (int i = 1; i < count; ++i)
    if (indices[i] != indices[i - 1] + 1) return false;
  return true;
}

void nearest_scaled(ImageView in, const AffineMap& m, const Fill& fill, MutableImageView out, Buffer& scratch) {
  const int channels = in.channels;
  auto* columns = reinterpret_cast<std::int32_t*>(scratch.reserve(sizeof(std::int32_t) * static_cast<std::size_t>(out.width + out.height)));
  std::int32_t* rows = columns + out.width;
  accumulate(m[2], m[0], in.width, out.width, columns);
  accumulate(m[5], m[4], in.height, out.height, rows);
  // The columns that are inside form one interval, because the map is monotone.
  const auto inside = [](std::int32_t i) { return i >= 0; };
  const int first = static_cast<int>(std::find_if(columns, columns + out.width, inside) - columns);
  const int last = static_cast<int>(std::find_if_not(columns + first, columns + out.width, inside) - columns);
  const bool run = last > first && is_run(columns + first, last - first);
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    const bool whole = rows[y] >= 0 && first == 0 && last == out.width;
    if (!whole)
      for (int x = 0; x < out.width; ++x) put(to + x * channels, fill.data(), channels);
    if (rows[y] < 0) continue;
    const std::uint8_t* from = in.row(rows[y]);
    if (run) {
      std::memcpy(to + first * channels, from + columns[first] * channels, static_cast<std::size_t>((last - first) * channels));
    } else {
      for (int x = first; x < last; ++x) put(to + x * channels, from + columns[x] * channels, channels);
    }
  }
}

// For maps that leave the 16-bit integer range: Pillow falls back to a double a pixel.
void nearest_double(ImageView in, const AffineMap& m, const Fill& fill, MutableImageView out) {
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const double fx = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2], fy = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      const bool inside = fx >= 0 && fx < in.width && fy >= 0 && fy < in.height;
      const std::uint8_t* from = inside ? in.row(static_cast<int>(fy)) + static_cast<int>(fx) * in.channels : fill.data();
      put(out.row(y) + x * in.channels, from, in.channels);
    }
}

bool fits_fixed(const AffineMap& m, Size size) {
  for (const int y : {0, size.height})
    for (const int x : {0, size.width}) {
      const double fx = m[0] * x + m[1] * y + m[2], fy = m[3] * x + m[4] * y + m[5];
      if (!(std::abs(fx) < 32767.0 && std::abs(fy) < 32767.0)) return false;
    }
  return true;
}

std::int32_t fixed(double v) { return static_cast<std::int32_t>(std::floor(v * 65536.0 + 0.5)); }

// Pillow rounds sine and cosine to 15 decimals; printing and parsing is the definition.
double round15(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15f", v);
  return std::strtod(text, nullptr);
}

double wrap(double degrees) {
  degrees = std::fmod(degrees, 360.0);
  return degrees < 0 ? degrees + 360.0 : degrees;
}

}  // namespace

void affine(ImageView in, const AffineMap& m, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch) {
  if (filter != Filter::nearest) {
    affine_interpolated(in, m, filter == Filter::bicubic ? filter : Filter::bilinear, fill, out, scratch);
  } else if (m[1] == 0 && m[3] == 0) {
    nearest_scaled(in, m, fill, out, scratch);
  } else if (!fits_fixed(m, out.size())) {
    nearest_double(in, m, fill, out);
  } else {
    const FixedMap map{
        fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), fixed(m[5] + m[3] * 0.5 + m[4] * 0.5), fixed(m[0]), fixed(m[3]), fixed(m[1]), fixed(m[4])};
    affine_nearest_fixed(in, map, fill, out, scratch);
  }
}

int quarter_turns(double degrees, Size size) {
  degrees = wrap(degrees);
  if (degrees == 0) return 0;
  if (degrees == 180) return 2;
  if (size.width == size.height && degrees == 90) return 1;
  if (size.width == size.height && degrees == 270) return 3;
  return -1;
}

AffineMap rotate_map(double degrees, Size size) {
  const double t = -(wrap(degrees) * kRadians);
  const double c = round15(std::cos(t)), s = round15(std::sin(t)), n = round15(-std::sin(t));
  const double cx = size.width / 2.0, cy = size.height / 2.0;
  return {c, s, c * (-cx) + s * (-cy) + cx, n, c, n * (-cx) + c * (-cy) + cy};
}

void turn(ImageView in, int quarters, MutableImageView out) {
  const int w = in.width, h = in.height, channels = in.channels;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      const std::uint8_t* from = nullptr;
      switch (quarters) {
        case 1:
          from = in.row(x) + (w - 1 - y) * channels;
          break;
        case 2:
          from = in.row(h - 1 - y) + (w - 1 - x) * channels;
          break;
        case 3:
          from = in.row(h - 1 - x) + y * channels;
          break;
        default:
          from = in.row(y) + x * channels;
      }
      put(out.row(y) + x * channels, from, channels);
    }
}

void rotate(ImageView in, double degrees, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch) {
  if (const int quarters = quarter_turns(degrees, in.size()); quarters >= 0) return turn(in, quarters, out);
  affine(in, rotate_map(degrees, in.size()), filter, fill, out, scratch);
}

AffineMap torchvision_map(const TorchvisionAffine& p, double cx, double cy) {
  const double r = p.angle * kRadians, x = p.shear_x * kRadians, y = p.shear_y * kRadians;
  // Plain random affine without shear needs no tangent of zero; the values are the same.
  const double cos_y = y == 0 ? 1.0 : std::cos(y), tan_x = x == 0 ? 0.0 : std::tan(x);
  const double cos_ry = std::cos(r - y), sin_ry = std::sin(r - y);
  const double cos_r = y == 0 ? cos_ry : std::cos(r), sin_r = y == 0 ? sin_ry : std::sin(r);
  const double a = cos_ry / cos_y, b = -cos_ry * tan_x / cos_y - sin_r;
  const double c = sin_ry / cos_y, d = -sin_ry * tan_x / cos_y + cos_r;
  AffineMap m{d, -b, 0, -c, a, 0};
  for (double& v : m) v /= p.scale;
  m[2] += m[0] * (-cx - p.translate_x) + m[1] * (-cy - p.translate_y);
  m[5] += m[3] * (-cx - p.translate_x) + m[4] * (-cy - p.translate_y);
  m[2] += cx;
  m[5] += cy;
  return m;
}

}  // namespace millrace::augment
