#pragma once
#include "augment/affine.h"
#include "augment/ops.h"
#include "pipeline/image.h"

// Operations that only move pixels. Threads: any. Errors: none. Source: torchvision's functional.py, Pillow's transposes.
namespace millrace::augment {

/// The window of `out`'s size whose upper left corner is at (left, top) of `in`; it may lie partly or wholly outside, and
/// that part is padding. `in` and `out` must not overlap.
void crop(ImageView in, int left, int top, PadMode mode, const Fill& fill, MutableImageView out);

/// Mirror images; in place where `in` and `out` are the same picture, otherwise they must not overlap.
void flip_horizontal(ImageView in, MutableImageView out);
void flip_vertical(ImageView in, MutableImageView out);

/// torchvision's center_crop: where the picture is smaller it is first padded with 0 (less on the left and top), then the
/// window is centred, halves rounded to even. The result may reach outside the picture.
Roi center_crop_window(Size picture, Size window);

/// torchvision's resize to a shorter side: the longer one is floored.
Size size_for_shorter_side(Size picture, int shorter);
/// timm's: the aspect kept, `wanted` covered or (border mode) contained; sides rounded, halves to even.
Size size_for_fit(Size picture, Size wanted, bool cover);

}  // namespace millrace::augment
