#pragma once
#include "pipeline/buffer.h"
#include "pipeline/image.h"

namespace millrace::augment {

/// Pillow's GaussianBlur (BoxBlur.c): three box passes each way with fractional radii, bytes in between. radius >= 0.
/// No overlap of `in` and `out`. Threads: any, each with its own scratch. Errors: none.
void gaussian_blur(ImageView in, double radius, MutableImageView out, Buffer& scratch);

}  // namespace millrace::augment
