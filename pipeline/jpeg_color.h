#pragma once
#include <cstdint>

namespace millrace {

/// Converts a row of inverted CMYK, as Adobe writes it, to RGB. In place: RGB takes the first three quarters.
/// Source: Pillow's Convert.c, cmyk2rgb, after its inversion on loading.
void inverted_cmyk_to_rgb(std::uint8_t* row, int pixels);

/// Converts a row of RGB to grey. In place: grey takes the first third.
/// Source: Pillow's Convert.c, convert("L"): (19595 R + 38470 G + 7471 B + 2^15) / 2^16.
void rgb_to_grey(std::uint8_t* row, int pixels);

}  // namespace millrace
