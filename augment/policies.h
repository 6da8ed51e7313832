#pragma once
#include "augment/drawn.h"
#include "augment/ops.h"
#include "augment/timm_config.h"
#include "pipeline/random.h"

// The laws of the policies: which operations are drawn, how strong, in which order. Results go to a DrawBuilder.
// Sources: timm auto_augment.py, torchvision autoaugment.py and transforms.py. Threads: any. Errors: none.
namespace millrace::augment {

void draw_timm(const TimmConfig& config, const TimmRandAugment& op, RandomSource& random, DrawBuilder& draw);
void draw_rand_augment(const RandAugment& op, RandomSource& random, DrawBuilder& draw);
void draw_trivial_augment(const TrivialAugmentWide& op, RandomSource& random, DrawBuilder& draw);
void draw_auto_augment(const AutoAugment& op, RandomSource& random, DrawBuilder& draw);
/// timm's law (nothing where U() > p) or torchvision's (done where U() < p), the same boxes.
void draw_erasing(const RandomErasing& op, RandomSource& random, DrawBuilder& draw);
void draw_color_jitter(const ColorJitter& op, RandomSource& random, DrawBuilder& draw);

/// torchvision's operations, in the order of its tables.
enum class TvOp : std::uint8_t {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize,
  invert,
};
inline constexpr int kTvOps = 14;  ///< Of RandAugment and TrivialAugmentWide: without invert.
bool tv_is_signed(TvOp op);
/// The magnitude of bin i of n: float32 of start + (end - start) i / (n - 1), in double; posterize: bits.
double rand_augment_bin(TvOp op, int i, int n, Size picture);
double trivial_augment_bin(TvOp op, int i, int n);

}  // namespace millrace::augment
