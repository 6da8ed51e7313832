#pragma once
#include <vector>

#include "augment/drawn.h"
#include "augment/image_ops.h"
#include "augment/ops.h"

// A recipe's draw carried out one operation after the other, each on a picture of its own: what fused passes must equal.
namespace millrace::test {

struct Picture {
  Size size;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Picture() = default;
  Picture(Size s, int c) : size(s), channels(c), pixels(static_cast<std::size_t>(s.width * s.height * c)) {}
  ImageView view() const { return {pixels.data(), size.width, size.height, channels, size.width * channels}; }
  MutableImageView edit() { return {pixels.data(), size.width, size.height, channels, size.width * channels}; }
};

/// Slopes with noise.
Picture make_picture(Size size, int channels, std::uint64_t seed);

/// Framing and operations of a draw; erasing is left out.
Picture reference_result(const Draw& draw, const Picture& source, augment::PassOrder pass_order, const augment::Fill& fill);

}  // namespace millrace::test
