#include "train/net.h"

#include <ATen/CPUGeneratorImpl.h>

#include <array>
#include <mutex>
#include <string_view>

#include "pipeline/error.h"
#include "train/batch_norm.h"
#include "train/models/models.h"
#include "train/relu_pool.h"
#include "train/weights.h"

namespace millrace::train {
namespace {

/// Flatten, Linear(pixels, 10), ReLU, Linear(10, classes): 7,960 parameters on MNIST (the "toy" of esd-ddp).
class Toy final : public Net {
 public:
  explicit Toy(const TrainOptions& options)
      : hidden_(register_module("hidden", torch::nn::Linear(static_cast<std::int64_t>(options.input.elements()), 10))),
        scores_(register_module("scores", torch::nn::Linear(10, options.classes))) {}
  at::Tensor forward(at::Tensor x) override { return scores_(hidden_(x.flatten(1)).relu_()); }

 private:
  torch::nn::Linear hidden_, scores_;
};

/// LeNet-5 with ReLU and max-pooling: conv 5x5 to 6, pool, conv 5x5 to 16, pool, 120, 84, classes.
/// Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, in its usual modern form.
class LeNet final : public Net {
 public:
  explicit LeNet(const TrainOptions& options)
      : conv1_(register_module("conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.input.channels, 6, 5).padding(options.padding)))),
        conv2_(register_module("conv2", torch::nn::Conv2d(torch::nn::Conv2dOptions(6, 16, 5)))),
        fc1_(register_module("fc1", torch::nn::Linear(16 * side(options.input.height, options) * side(options.input.width, options), 120))),
        fc2_(register_module("fc2", torch::nn::Linear(120, 84))),
        fc3_(register_module("fc3", torch::nn::Linear(84, options.classes))) {}

  at::Tensor forward(at::Tensor x) override {
    x = relu_pool2x2(conv1_(x));
    x = relu_pool2x2(conv2_(x)).flatten(1);
    x = fc1_(x).relu_();
    x = fc2_(x).relu_();
    return fc3_(x);
  }

 private:
  static std::int64_t side(int pixels, const TrainOptions& options) {
    const int left = ((pixels + 2 * options.padding - 4) / 2 - 4) / 2;
    if (options.padding < 0 || left < 1)
      throw Error(ErrorKind::usage,
                  "train.model lenet: pictures of " + std::to_string(options.input.width) + " x " + std::to_string(options.input.height) +
                      " with padding " + std::to_string(options.padding) + " leave nothing after two convolutions and poolings",
                  "use pictures of at least 16 x 16");
    return left;
  }
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_, fc3_;
};

/// The smallest net with BatchNorm: conv 3x3 to 8 without bias, BatchNorm, SiLU, mean pooling, Linear. Smooth, so that two runs which
/// round differently stay together: where a ReLU or a maximum flips, torch's own differ by 1e-4 after 20 steps.
class ToyNorm final : public Net {
 public:
  explicit ToyNorm(const TrainOptions& options)
      : conv_(register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.input.channels, 8, 3).padding(1).bias(false)))),
        norm_(register_module("norm", BatchNorm(8))),
        scores_(register_module("scores", torch::nn::Linear(8 * (options.input.height / 2) * (options.input.width / 2), options.classes))) {}
  at::Tensor forward(at::Tensor x) override { return scores_(at::avg_pool2d(at::silu(norm_(conv_(x))), {2, 2}).flatten(1)); }

 private:
  torch::nn::Conv2d conv_;
  BatchNorm norm_;
  torch::nn::Linear scores_;
};

template <class Model>
std::shared_ptr<Net> make(const TrainOptions& options) {
  return std::make_shared<Model>(options);
}

/// Every model that computes; a new one is one more line here. Channels last on the CPU: 2.8 times as fast for MobileNetV3 with AVX-512 (1.3 with AVX2), 1.2
/// for WideResNet, but 0.93 (AVX2) to 1.02 for ResNet-18.
struct Entry {
  std::string_view name;
  std::shared_ptr<Net> (*make)(const TrainOptions&);
  bool channels_last_on_cpu = false;
};
constexpr std::array kModels{Entry{"toy", make<Toy>}, Entry{"toy-norm", make<ToyNorm>}, Entry{"lenet", make<LeNet>},
                             Entry{"mobilenetv3_small", make_mobilenetv3_small, true}, Entry{"resnet18", make_resnet18},
                             Entry{"wide_resnet", make_wide_resnet, true}};

bool channels_last(const TrainOptions& options, const Entry& entry, at::Device where) {
  if (options.layout != MemoryOrder::automatic) return options.layout == MemoryOrder::nhwc;
  // Tensor cores read channels last; float32 on a GPU does not gain.
  return where.is_cpu() ? entry.channels_last_on_cpu : options.precision != Precision::fp32;
}

std::shared_ptr<Net> in_channels_last(std::shared_ptr<Net> net) {
  net->order = at::MemoryFormat::ChannelsLast;
  for (at::Tensor& parameter : net->parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.data().clone(net->order));  // contiguous() would leave the strides of 1 x 1 kernels as they are.
  return net;
}

}  // namespace

std::shared_ptr<Net> make_net(const TrainOptions& options, at::Device where) {
  std::string known = "sleep";
  for (const Entry& entry : kModels) {
    if (entry.name == options.model) {
      static std::mutex one_at_a_time;
      std::lock_guard lock(one_at_a_time);
      at::Generator generator = at::detail::getDefaultCPUGenerator();
      generator.set_current_seed(options.seed);
      const std::shared_ptr<Net> net = entry.make(options);
      if (!options.weights.empty()) load_weights(*net, options.weights, options.fresh_head);
      return channels_last(options, entry, where) ? in_channels_last(net) : net;
    }
    known.append(", ").append(entry.name);
  }
  throw Error(ErrorKind::usage, "train.model: unknown model '" + options.model + "'", "known models: " + known);
}

}  // namespace millrace::train
