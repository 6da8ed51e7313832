#pragma once
// The public operations on pictures, all exact (see augment/README.md): what golden vectors and peers are compared with.
#include "augment/affine.h"
#include "augment/blur.h"
#include "augment/crop.h"
#include "augment/dispatch.h"
#include "augment/enhance.h"
#include "augment/hue.h"
#include "augment/normalize.h"
#include "augment/point.h"
#include "augment/resize.h"

namespace millrace::augment {

// Point operations as functions; in place where `in` and `out` are the same picture.
void invert(ImageView in, MutableImageView out);
void solarize(ImageView in, double threshold, MutableImageView out);
void solarize_add(ImageView in, int amount, int threshold, MutableImageView out);
void posterize(ImageView in, int bits, MutableImageView out);
void autocontrast(ImageView in, MutableImageView out);
void equalize(ImageView in, MutableImageView out);
void brightness(ImageView in, float factor, MutableImageView out);
void contrast(ImageView in, float factor, MutableImageView out);
/// timm's Desaturate: color with factor min(1, max(0, 1 - amount)).
float desaturate_factor(double amount);

/// torchvision's and timm's resized_crop: the crop alone is resized.
void resized_crop(ImageView in, const Roi& roi, const ResizeOptions& options, MutableImageView out, Scratch& scratch);
/// Centred, padded with 0 where the picture is smaller.
void center_crop(ImageView in, MutableImageView out);

}  // namespace millrace::augment
