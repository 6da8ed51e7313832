#pragma once
#include <memory>

#include "train/api.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// A classifier: N x C x H x W pictures to N x classes scores.
class Net : public torch::nn::Module {
 public:
  virtual at::Tensor forward(at::Tensor images) = 0;
  /// forward on images laid out in the net's order.
  at::Tensor operator()(const at::Tensor& images) {
    prepare(images.device());
    return forward(in_order(images));
  }
  /// What a forward needs of the host beforehand, outside of a captured graph: a seed for what it draws.
  virtual void prepare(at::Device) {}

  at::Generator generator; ///< What it draws from in training; undefined: nothing is drawn.
  at::MemoryFormat order = at::MemoryFormat::Contiguous; ///< Of activations and of convolutions' weights.
  /// Images laid out in the net's order, by their strides too: those of one channel lie the same either way, but kernels are chosen by strides.
  at::Tensor in_order(const at::Tensor& images) const {
    if (order != at::MemoryFormat::ChannelsLast || images.suggest_memory_format() == order) return images.contiguous(order);
    const std::int64_t c = images.size(1), h = images.size(2), w = images.size(3);
    return images.contiguous(order).as_strided(images.sizes(), {h * w * c, 1, w * c, c});
  }
};

/// Makes the model that options.model names, on the CPU, with torch's default initial weights drawn from options.seed:
/// the same as torch.manual_seed(seed) and the same layers in Python. The default generator is the process's own, so models
/// are made one at a time and nothing else here may draw from it. Its memory order is what options.layout says, or what is faster
/// for the model on `where`.
/// Threads: any.
/// Errors:  Error(usage): unknown model, or pictures too small for it.
std::shared_ptr<Net> make_net(const TrainOptions& options, at::Device where);

}  // namespace millrace::train
