#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::augment {

/// timm's operations, in the order of its default list; the last two belong to the 3-Augment sets.
enum class TimmOp : std::uint8_t {
  auto_contrast,
  equalize,
  invert,
  rotate,
  posterize,
  solarize,
  solarize_add,
  color,
  contrast,
  brightness,
  sharpness,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  desaturate,
  blur,
};
inline constexpr int kTimmDefaultOps = 15;

/// One member of a set: with the meaning of "increasing" magnitudes, and its weight where the set has weights.
struct TimmChoice {
  TimmOp op;
  bool increasing = false;
  double weight = 1;
};

/// timm's `rand-...` string, parsed (timm 1.0.31; `w0` as in 0.6.13).
/// Errors: Error(usage) that names the token.
struct TimmConfig {
  int magnitude = 10;          ///< m
  int num_ops = 2;             ///< n
  double probability = 0.5;    ///< p: of each drawn operation.
  double magnitude_std = 0;    ///< mstd: sigma of Gaussian noise; 0: none.
  bool uniform_noise = false;  ///< mstd > 100: magnitude uniform on [0, m].
  int magnitude_max = 10;      ///< mmax
  bool increasing = false;     ///< inc
  bool weighted = false;       ///< Drawn without replacement, by weight; otherwise with replacement, all alike.
  std::vector<TimmChoice> choices;
  std::vector<std::string> warnings;  ///< Tokens that timm, too, ignores.
};
TimmConfig parse_timm_config(const std::string& text);

/// The operation's argument at a level (after noise and clamping): degrees, bits, threshold, amount, factor, shear, share of
/// the side, or radius. `sign` is 1 or -1 and matters where timm draws one. Integers where timm truncates.
double timm_argument(TimmOp op, bool increasing, double level, double sign);
/// Whether timm draws a sign.
bool timm_is_signed(TimmOp op, bool increasing);

}  // namespace millrace::augment
