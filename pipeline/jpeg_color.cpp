#include "pipeline/jpeg_color.h"

namespace millrace {

void inverted_cmyk_to_rgb(std::uint8_t* row, int pixels) {
  const std::uint8_t* in = row;
  std::uint8_t* out = row;
  for (int i = 0; i < pixels; ++i, in += 4, out += 3) {
    const unsigned light = in[3]; // 255 - K.
    for (int c = 0; c < 3; ++c) {
      const unsigned product = (255u - in[c]) * light + 128u;
      out[c] = std::uint8_t(light - (((product >> 8) + product) >> 8)); // Exactly round(product / 255), hence never below 0.
    }
  }
}

void rgb_to_grey(std::uint8_t* row, int pixels) {
  const std::uint8_t* in = row;
  for (int i = 0; i < pixels; ++i, in += 3) row[i] = std::uint8_t((19595u * in[0] + 38470u * in[1] + 7471u * in[2] + 0x8000u) >> 16);
}

}  // namespace millrace
