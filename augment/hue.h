#pragma once
#include "pipeline/image.h"

namespace millrace::augment {

/// torchvision's adjust_hue on Pillow's 8-bit HSV, -0.5 <= factor <= 0.5: lossy even for 0. One channel: a copy.
/// In place where `in` and `out` are the same picture. Threads: any. Errors: none.
void hue(ImageView in, double factor, MutableImageView out);

}  // namespace millrace::augment
