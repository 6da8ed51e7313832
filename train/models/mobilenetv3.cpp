#include <array>
#include <cmath>

#include "train/models/layers.h"
#include "train/models/models.h"

namespace millrace::train {
namespace {

enum class Activation : std::uint8_t { none, relu, hard_swish };

at::Tensor activate(at::Tensor x, Activation kind) {
  switch (kind) {
    case Activation::relu: return x.relu_();
    case Activation::hard_swish: return at::hardswish(x); // Its gradient needs its input: in place would copy that.
    case Activation::none: break;
  }
  return x;
}

/// Scales each channel by a gate that the means of all channels decide.
class SqueezeExcite final : public torch::nn::Module {
 public:
  SqueezeExcite(std::int64_t channels, std::int64_t squeezed)
      : conv_reduce_(register_module("conv_reduce", torch::nn::Conv2d(torch::nn::Conv2dOptions(channels, squeezed, 1)))),
        conv_expand_(register_module("conv_expand", torch::nn::Conv2d(torch::nn::Conv2dOptions(squeezed, channels, 1)))) {}
  at::Tensor forward(const at::Tensor& x) {
    return x * at::hardsigmoid(conv_expand_(conv_reduce_(x.mean({2, 3}, /*keepdim=*/true)).relu_()));
  }

 private:
  torch::nn::Conv2d conv_reduce_, conv_expand_;
};

/// A line of the paper's table. `expanded` 0: the block begins with its depthwise convolution.
struct BlockShape {
  int stage, kernel, stride, in, expanded, out, squeezed;
  Activation activation;
};
constexpr auto kRelu = Activation::relu, kSwish = Activation::hard_swish;
constexpr std::array kBlocks{
    BlockShape{0, 3, 2, 16, 0, 16, 8, kRelu},       BlockShape{1, 3, 2, 16, 72, 24, 0, kRelu},     BlockShape{1, 3, 1, 24, 88, 24, 0, kRelu},
    BlockShape{2, 5, 2, 24, 96, 40, 24, kSwish},    BlockShape{2, 5, 1, 40, 240, 40, 64, kSwish},  BlockShape{2, 5, 1, 40, 240, 40, 64, kSwish},
    BlockShape{3, 5, 1, 40, 120, 48, 32, kSwish},   BlockShape{3, 5, 1, 48, 144, 48, 40, kSwish},  BlockShape{4, 5, 2, 48, 288, 96, 72, kSwish},
    BlockShape{4, 5, 1, 96, 576, 96, 144, kSwish},  BlockShape{4, 5, 1, 96, 576, 96, 144, kSwish},
};
constexpr std::int64_t kStem = 16, kLast = 96, kPooled = 576, kHead = 1024;

/// Widens, convolves each channel by itself, gates, narrows; adds its input where shapes allow.
class Block final : public torch::nn::Module {
 public:
  explicit Block(const BlockShape& shape) : activation_(shape.activation), adds_input_(shape.stride == 1 && shape.in == shape.out) {
    const std::int64_t width = shape.expanded ? shape.expanded : shape.in;
    const auto depthwise = [&] { conv_dw_ = register_module("conv_dw", convolution(width, width, shape.kernel, shape.stride, width)); };
    const auto squeeze = [&] {
      if (shape.squeezed) se_ = register_module("se", std::make_shared<SqueezeExcite>(width, shape.squeezed));
    };
    // timm's names: a block that widens counts its first BatchNorm and calls the last convolution conv_pwl.
    if (shape.expanded) {
      expand_ = register_module("conv_pw", convolution(shape.in, width, 1));
      expand_bn_ = register_module("bn1", BatchNorm(width));
      depthwise();
      depthwise_bn_ = register_module("bn2", BatchNorm(width));
      squeeze();
      project_ = register_module("conv_pwl", convolution(width, shape.out, 1));
      project_bn_ = register_module("bn3", BatchNorm(shape.out));
    } else {
      depthwise();
      depthwise_bn_ = register_module("bn1", BatchNorm(width));
      squeeze();
      project_ = register_module("conv_pw", convolution(width, shape.out, 1));
      project_bn_ = register_module("bn2", BatchNorm(shape.out));
    }
  }

  at::Tensor forward(const at::Tensor& input) {
    at::Tensor x = expand_ ? activate(expand_bn_(expand_(input)), activation_) : input;
    x = activate(depthwise_bn_(conv_dw_(x)), activation_);
    if (se_) x = se_->forward(x);
    x = project_bn_(project_(x));
    return adds_input_ ? x.add_(input) : x;
  }

 private:
  const Activation activation_;
  const bool adds_input_;
  torch::nn::Conv2d expand_{nullptr}, conv_dw_{nullptr}, project_{nullptr};
  BatchNorm expand_bn_{nullptr}, depthwise_bn_{nullptr}, project_bn_{nullptr};
  std::shared_ptr<SqueezeExcite> se_;
};

class Last final : public torch::nn::Module {
 public:
  Last() : conv_(register_module("conv", convolution(kLast, kPooled, 1))), bn_(register_module("bn1", BatchNorm(kPooled))) {}
  at::Tensor forward(const at::Tensor& x) { return at::hardswish(bn_(conv_(x))); }

 private:
  torch::nn::Conv2d conv_;
  BatchNorm bn_;
};

class MobileNetV3Small final : public Net {
 public:
  explicit MobileNetV3Small(const TrainOptions& options)
      : conv_stem_(register_module("conv_stem", convolution(options.input.channels, kStem, 3, 2))), bn1_(register_module("bn1", BatchNorm(kStem))) {
    { SqueezeExcite tried(8, 8); } // timm tries its gate on 8 channels here, which draws.
    const auto stages = register_module("blocks", std::make_shared<torch::nn::Module>());
    std::shared_ptr<torch::nn::Module> stage;
    for (std::size_t i = 0; i < kBlocks.size(); ++i) {
      const BlockShape& shape = kBlocks[i];
      if (i == 0 || shape.stage != kBlocks[i - 1].stage) stage = stages->register_module(std::to_string(shape.stage), std::make_shared<torch::nn::Module>());
      blocks_.push_back(stage->register_module(std::to_string(stage->children().size()), std::make_shared<Block>(shape)));
    }
    stage = stages->register_module(std::to_string(kBlocks.back().stage + 1), std::make_shared<torch::nn::Module>());
    last_ = stage->register_module("0", std::make_shared<Last>());
    conv_head_ = register_module("conv_head", torch::nn::Conv2d(torch::nn::Conv2dOptions(kPooled, kHead, 1)));
    classifier_ = register_module("classifier", torch::nn::Linear(kHead, options.classes));
    draw_initial_weights();
  }

  at::Tensor forward(at::Tensor x) override {
    x = at::hardswish(bn1_(conv_stem_(x)));
    for (const auto& block : blocks_) x = block->forward(x);
    x = last_->forward(x).mean({2, 3}, /*keepdim=*/true);
    return classifier_(at::hardswish(conv_head_(x)).flatten(1));
  }

 private:
  void draw_initial_weights() {
    at::NoGradGuard no_grad;
    draw_convolutions_by_fan_out(*this);
    for (const auto& parameter : named_parameters())
      if (parameter.key().ends_with("bias")) at::Tensor(parameter.value()).zero_();
    const double bound = 1 / std::sqrt(static_cast<double>(classifier_->weight.size(0)));
    classifier_->weight.uniform_(-bound, bound);
  }

  torch::nn::Conv2d conv_stem_;
  BatchNorm bn1_;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Last> last_;
  torch::nn::Conv2d conv_head_{nullptr};
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Net> make_mobilenetv3_small(const TrainOptions& options) { return std::make_shared<MobileNetV3Small>(options); }

}  // namespace millrace::train
