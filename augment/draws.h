#pragma once
#include "augment/affine.h"
#include "augment/ops.h"
#include "pipeline/image.h"
#include "pipeline/random.h"

// The laws of random draws: from which distribution, in which order. Each function is torchvision's or timm's, over any
// source of random numbers, so that tests can put prepared ones behind it.
// Threads: any. Errors: none; parameters have been checked by compile().
namespace millrace::augment {

/// timm: minus with probability 1/2, where U() > 0.5.
inline double draw_sign(RandomSource& random) { return random.uniform() > 0.5 ? -1.0 : 1.0; }

TorchvisionAffine draw_affine(const RandomAffine& op, Size picture, RandomSource& random);

/// Where a crop of `size` lies on the picture padded on all sides; relative to the picture itself, so it may be negative.
/// The padded picture is at least as large as the crop.
Roi draw_crop(Size picture, int padding, Size size, RandomSource& random);

struct ResizedCropBox {
  Roi roi;
  bool fallback = false;  ///< Ten attempts failed.
  int attempts = 0;
};
ResizedCropBox draw_resized_crop(const Range& scale, const Range& ratio, Size picture, RandomSource& random);

/// timm and torchvision share the law of a box; the ranges differ. Empty (width 0): ten attempts failed.
Roi draw_erase_box(const Range& area, const Range& aspect, int count, Size picture, RandomSource& random);

}  // namespace millrace::augment
