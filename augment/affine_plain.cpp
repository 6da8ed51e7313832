#include <algorithm>

#include "augment/affine_kernels.h"

namespace millrace::augment {
namespace {

double cubic(double v1, double v2, double v3, double v4, double d) {
  const double q2 = -v1 + v3, q3 = 2 * (v1 - v2) + v3 - v4, q4 = -v1 + v2 - v3 + v4;
  return v2 + d * (q2 + d * (q3 + d * q4));
}

// The nearest pixels around a point inside the picture: the tap at (x0, y0) and the fractions beyond it.
struct Point {
  int x0, y0;
  double dx, dy;
};

std::uint8_t bilinear(const ImageView& in, const Point& p, int c) {
  const auto column = [&](int x) { return std::clamp(x, 0, in.width - 1) * in.channels + c; };
  const std::uint8_t* top = in.row(std::clamp(p.y0, 0, in.height - 1));
  const std::uint8_t* bottom = in.row(std::clamp(p.y0 + 1, 0, in.height - 1));
  const int left = column(p.x0), right = column(p.x0 + 1);
  const double r0 = top[left] + (top[right] - top[left]) * p.dx, r1 = bottom[left] + (bottom[right] - bottom[left]) * p.dx;
  return static_cast<std::uint8_t>(r0 + (r1 - r0) * p.dy);
}

std::uint8_t bicubic(const ImageView& in, const Point& p, int c) {
  double rows[4];
  for (int j = 0; j < 4; ++j) {
    const std::uint8_t* row = in.row(std::clamp(p.y0 - 1 + j, 0, in.height - 1));
    double v[4];
    for (int i = 0; i < 4; ++i) v[i] = row[std::clamp(p.x0 - 1 + i, 0, in.width - 1) * in.channels + c];
    rows[j] = cubic(v[0], v[1], v[2], v[3], p.dx);
  }
  const double value = cubic(rows[0], rows[1], rows[2], rows[3], p.dy);
  return value <= 0 ? 0 : value >= 255 ? 255 : static_cast<std::uint8_t>(value);
}

}  // namespace

void affine_nearest_fixed_plain(ImageView in, const FixedMap& m, const Fill& fill, MutableImageView out) {
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += in.channels) {
      const std::int32_t px = (m.x_start + y * m.x_row + x * m.x_column) >> 16, py = (m.y_start + y * m.y_row + x * m.y_column) >> 16;
      const bool inside = px >= 0 && px < in.width && py >= 0 && py < in.height;
      const std::uint8_t* from = inside ? in.row(py) + px * in.channels : fill.data();
      for (int c = 0; c < in.channels; ++c) to[c] = from[c];
    }
  }
}

void affine_interpolated_plain(ImageView in, const AffineMap& m, Filter filter, const Fill& fill, MutableImageView out) {
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += in.channels) {
      const double fx = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2], fy = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      if (!(fx >= 0 && fx < in.width && fy >= 0 && fy < in.height)) {
        for (int c = 0; c < in.channels; ++c) to[c] = fill[static_cast<std::size_t>(c)];
        continue;
      }
      const double sx = fx - 0.5, sy = fy - 0.5;
      const int x0 = sx < 0 ? -1 : static_cast<int>(sx), y0 = sy < 0 ? -1 : static_cast<int>(sy);  // Floor: sx is at least -0.5.
      const Point p{x0, y0, sx - x0, sy - y0};
      for (int c = 0; c < in.channels; ++c) to[c] = filter == Filter::bicubic ? bicubic(in, p, c) : bilinear(in, p, c);
    }
  }
}

}  // namespace millrace::augment
