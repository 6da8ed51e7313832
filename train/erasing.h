#pragma once
#include <span>

#include "pipeline/recipe.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// Overwrites boxes of normalised pictures (N x C x H x W, float32, any layout) with `values`, which lie where the pictures do: what
/// augment/erase.h does to f32 rows. A short kernel a box. Waits for nothing.
void erase_boxes(const at::Tensor& images, std::span<const Erasures::Box> boxes, const at::Tensor& values);

}  // namespace millrace::train
