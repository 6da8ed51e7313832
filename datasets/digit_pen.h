#pragma once
#include <cstdint>

#include "pipeline/random.h"

namespace millrace {

inline constexpr int kDigitSide = 28;

/// Draws a digit chosen and shaped by `key` into 28 x 28 bytes (white on black); returns which digit it is.
/// Threads: any. Errors: none.
int draw_digit(const RngKey& key, std::uint8_t* pixels);

}  // namespace millrace
