#pragma once
#include <array>
#include <cstdint>

#include "augment/normalize.h"
#include "augment/ops.h"
#include "pipeline/image.h"
#include "pipeline/recipe.h"

namespace millrace::augment {

/// Left, top, right, bottom of the part that is resized; float32, as in Pillow. Pixels outside it but inside the picture
/// still contribute at its edges; a crop is something else (make a view of it).
using Box = std::array<float, 4>;

struct ResizeOptions {
  Filter filter = Filter::bilinear;
  bool antialias = true;
  PassOrder pass_order = PassOrder::horizontal_first;
};

/// Pillow's Resample.c to the bit: separable, weights of 22 bits, a clipped uint8 picture between the passes; nearest
/// accumulates its steps in double. Without antialias the filter is not widened when the picture shrinks; bilinear then is
/// sample.h's definition (of whole pictures, not boxes), the other filters keep everything else as it is.
/// Shapes: any, equal channels (1 or 3), no overlap. Threads: any, each with its own scratch, of which buffers 2 and 3 are used.
/// Errors: none.
void resize(ImageView in, const ResizeOptions& options, MutableImageView out, Scratch& scratch);
void resize(ImageView in, const Box& box, const ResizeOptions& options, MutableImageView out, Scratch& scratch);

/// Crop, resize, crop, flip and the last pass in one sweep.
struct ResizePass {
  Size target;  ///< Of the whole resized picture.
  Roi window;   ///< The part of it that is wanted.
  bool flip_horizontal = false, flip_vertical = false;
  ResizeOptions options;
};
void resize(ImageView in, const ResizePass& pass, MutableImageView out, Scratch& scratch);
/// Straight to float32: the rows are normalised while they are in the cache. Uses the scratch's buffers 1 to 3.
void resize(ImageView in, const ResizePass& pass, const Normalizer& normalizer, Layout layout, float* picture, Scratch& scratch);

}  // namespace millrace::augment
