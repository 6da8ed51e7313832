#pragma once
#include <cstdint>
#include <span>

namespace millrace {

/// A point that the pen passes, in a box of 1 x 1 with y downwards.
struct Knot {
  enum Kind : std::uint8_t { smooth, corner, lift };
  float x, y;
  Kind kind = smooth; ///< corner: the curve may bend sharply here. lift: the pen is put down here anew.
};

/// One way to write a digit.
struct Glyph {
  std::span<const Knot> knots; ///< The first is where the pen begins.
  float aspect;                ///< Usual width over height.
  float weight;                ///< How common the style is; those of a digit add up to 1.
};
inline constexpr std::size_t kMaxKnots = 20;

/// The styles of digit 0 .. 9.
std::span<const Glyph> glyphs_of(int digit);

}  // namespace millrace
