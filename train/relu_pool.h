#pragma once
#include "train/torch_headers.h"

namespace millrace::train {

/// max_pool2d(relu(x), 2) with its gradient. On the CPU in one pass that keeps one byte a pixel for backward; ATen's kernel
/// for contiguous input keeps 8-byte indices and takes about 20 % of a LeNet step (and its ReLU a tenth).
/// Shape:   N x C x H x W to N x C x H/2 x W/2, rounded down; same values and gradients as torch's, to the bit.
at::Tensor relu_pool2x2(const at::Tensor& x);

}  // namespace millrace::train
