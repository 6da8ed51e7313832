#include "train/net.h"

#include <ATen/CPUGeneratorImpl.h>

#include <array>
#include <mutex>
#include <string_view>

#include "pipeline/error.h"
#include "train/batch_norm.h"
#include "train/relu_pool.h"

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

/// The smallest net with BatchNorm: conv 3x3 to 8 without bias, BatchNorm, ReLU and pooling, Linear.
class ToyNorm final : public Net {
 public:
  explicit ToyNorm(const TrainOptions& options)
      : conv_(register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.input.channels, 8, 3).padding(1).bias(false)))),
        norm_(register_module("norm", BatchNorm(8))),
        scores_(register_module("scores", torch::nn::Linear(8 * (options.input.height / 2) * (options.input.width / 2), options.classes))) {}
  at::Tensor forward(at::Tensor x) override { return scores_(relu_pool2x2(norm_(conv_(x))).flatten(1)); }

 private:
  torch::nn::Conv2d conv_;
  BatchNorm norm_;
  torch::nn::Linear scores_;
};

template <class Model>
std::shared_ptr<Net> make(const TrainOptions& options) {
  return std::make_shared<Model>(options);
}

/// Every model that computes; a new one is one more line here.
struct Entry {
  std::string_view name;
  std::shared_ptr<Net> (*make)(const TrainOptions&);
};
constexpr std::array kModels{Entry{"toy", make<Toy>}, Entry{"toy-norm", make<ToyNorm>}, Entry{"lenet", make<LeNet>}};

}  // namespace

std::shared_ptr<Net> make_net(const TrainOptions& options) {
  std::string known = "sleep";
  for (const Entry& entry : kModels) {
    if (entry.name == options.model) {
      static std::mutex one_at_a_time;
      std::lock_guard lock(one_at_a_time);
      at::Generator generator = at::detail::getDefaultCPUGenerator();
      generator.set_current_seed(options.seed);
      return entry.make(options);
    }
    known.append(", ").append(entry.name);
  }
  throw Error(ErrorKind::usage, "train.model: unknown model '" + options.model + "'", "known models: " + known);
}

}  // namespace millrace::train
