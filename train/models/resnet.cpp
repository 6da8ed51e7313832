#include <utility>

#include "train/models/layers.h"
#include "train/models/models.h"

namespace millrace::train {
namespace {

/// Two 3x3 convolutions and the input, or its 1x1 projection, added before the last ReLU.
class Block final : public torch::nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, std::int64_t stride) {
    // Drawn before the others and registered after them: both are timm's and torchvision's order.
    if (stride != 1 || in != out) projection_ = torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1).stride(stride).bias(false));
    conv1_ = register_module("conv1", convolution(in, out, 3, stride));
    bn1_ = register_module("bn1", BatchNorm(out));
    conv2_ = register_module("conv2", convolution(out, out, 3));
    bn2_ = register_module("bn2", BatchNorm(out));
    if (!projection_) return;
    const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
    downsample->register_module("0", projection_);
    projection_bn_ = downsample->register_module("1", BatchNorm(out));
  }

  at::Tensor forward(const at::Tensor& input) {
    const at::Tensor x = bn2_(conv2_(bn1_(conv1_(input)).relu_()));
    return x.add_(projection_ ? projection_bn_(projection_(input)) : input).relu_();
  }
  /// The block starts as its shortcut alone.
  void silence() { bn2_->weight.zero_(); }

 private:
  torch::nn::Conv2d projection_{nullptr}, conv1_{nullptr}, conv2_{nullptr};
  BatchNorm bn1_{nullptr}, bn2_{nullptr}, projection_bn_{nullptr};
};

class ResNet18 final : public Net {
 public:
  explicit ResNet18(const TrainOptions& options)
      : conv1_(register_module("conv1", convolution(options.input.channels, 64, 7, 2))), bn1_(register_module("bn1", BatchNorm(64))) {
    std::int64_t in = 64;
    for (int stage = 0; stage < 4; ++stage) {
      const auto layer = register_module("layer" + std::to_string(stage + 1), std::make_shared<torch::nn::Module>());
      const std::int64_t out = std::int64_t{64} << stage;
      for (int i = 0; i < 2; ++i) {
        const std::int64_t stride = stage > 0 && i == 0 ? 2 : 1;
        blocks_.push_back(layer->register_module(std::to_string(i), std::make_shared<Block>(std::exchange(in, out), out, stride)));
      }
    }
    fc_ = register_module("fc", torch::nn::Linear(in, options.classes));
    draw_convolutions_by_fan_out(*this);
    at::NoGradGuard no_grad;
    for (const auto& block : blocks_) block->silence();
  }

  at::Tensor forward(at::Tensor x) override {
    x = at::max_pool2d(bn1_(conv1_(x)).relu_(), {3, 3}, {2, 2}, {1, 1});
    for (const auto& block : blocks_) x = block->forward(x);
    return fc_(x.mean({2, 3}));
  }

 private:
  torch::nn::Conv2d conv1_;
  BatchNorm bn1_;
  std::vector<std::shared_ptr<Block>> blocks_;
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Net> make_resnet18(const TrainOptions& options) { return std::make_shared<ResNet18>(options); }

}  // namespace millrace::train
