#include "train/models/layers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <cmath>

namespace millrace::train {

at::Generator make_generator(at::Device where) {
  if (where.is_cpu()) return at::detail::createCPUGenerator();
  return at::globalContext().getAcceleratorHooksInterface(where.type()).getNewGenerator(where.index());
}

void draw_convolutions_by_fan_out(torch::nn::Module& net) {
  at::NoGradGuard no_grad;
  for (const auto& module : net.modules(/*include_self=*/false)) {
    const auto* layer = module->as<torch::nn::Conv2dImpl>();
    if (!layer) continue;
    const at::Tensor& weight = layer->weight;
    const double fan_out = static_cast<double>(weight.size(0) * weight.size(2) * weight.size(3) / layer->options.groups());
    at::Tensor(weight).normal_(0, std::sqrt(2.0 / fan_out));
  }
}

}  // namespace millrace::train
