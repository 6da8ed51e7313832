#pragma once
#include <cstddef>
#include <cstdint>

namespace millrace {

struct Size {
  int width = 0, height = 0;
  bool operator==(const Size&) const = default;
};

/// A rectangle in pixels. As the framing of a recipe it may reach outside the image: that part is padding.
struct Roi {
  int left = 0, top = 0, width = 0, height = 0;
  Size size() const { return {width, height}; }
  bool operator==(const Roi&) const = default;
};

/// The part of a framing that lies inside an image; of no area where they do not meet.
constexpr Roi inside(const Roi& roi, Size image) {
  const auto clamp = [](int v, int low, int high) { return v < low ? low : v > high ? high : v; };
  const int left = clamp(roi.left, 0, image.width), top = clamp(roi.top, 0, image.height);
  return {left, top, clamp(roi.left + roi.width, left, image.width) - left, clamp(roi.top + roi.height, top, image.height) - top};
}

/// Interleaved uint8 pixels, H x W x C with C = 1 (grey) or 3 (RGB). Owns nothing.
struct ImageView {
  const std::uint8_t* data = nullptr;
  int width = 0, height = 0, channels = 0;
  std::ptrdiff_t stride_bytes = 0;

  Size size() const { return {width, height}; }
  const std::uint8_t* row(int y) const { return data + y * stride_bytes; }
  ImageView crop(const Roi& roi) const {
    return {row(roi.top) + roi.left * channels, roi.width, roi.height, channels, stride_bytes};
  }
};

/// The same, writable.
struct MutableImageView {
  std::uint8_t* data = nullptr;
  int width = 0, height = 0, channels = 0;
  std::ptrdiff_t stride_bytes = 0;

  Size size() const { return {width, height}; }
  std::uint8_t* row(int y) const { return data + y * stride_bytes; }
  operator ImageView() const { return {data, width, height, channels, stride_bytes}; }
};

}  // namespace millrace
