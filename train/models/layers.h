#pragma once
#include "train/batch_norm.h"

// Layers that torch's C++ side lacks or has otherwise, for the models of this folder.
namespace millrace::train {

/// A square convolution without bias, padded by half its kernel, with torch's default initial weights.
inline torch::nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1, std::int64_t groups = 1) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).groups(groups).bias(false));
}

/// A generator of its own, so that nothing else's draws change what it gives.
at::Generator make_generator(at::Device where);

/// Normal weights of variance 2 / fan-out for every convolution of `net`, in torch's order of modules, as timm and torchvision
/// draw them. A group's fan-out is its own part.
void draw_convolutions_by_fan_out(torch::nn::Module& net);

}  // namespace millrace::train
