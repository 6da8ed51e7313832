#include <array>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/random.h"
#include "train/models/layers.h"
#include "train/models/models.h"

namespace millrace::train {
namespace {

/// Zeroes each element with probability p in training and scales the rest by 1 / (1 - p). torch's own draws from the process's
/// generator, which ranks in threads share.
at::Tensor dropout(const at::Tensor& x, double p, bool training, at::Generator& generator) {
  if (!training || p == 0) return x;
  return x * at::empty_like(x).bernoulli_(1 - p, generator).div_(1 - p);
}

/// Convolution, BatchNorm, ReLU, dropout, convolution, BatchNorm, ReLU; then the input, projected where a width begins, is added.
class Block final : public torch::nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, bool project)
      : conv1_(register_module("conv1", convolution(in, out, 3))),
        bn1_(register_module("bn1", BatchNorm(out))),
        conv2_(register_module("conv2", convolution(out, out, 3))),
        bn2_(register_module("bn2", BatchNorm(out))) {
    if (project) skip_ = register_module("skip", torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1)));
  }
  at::Tensor forward(const at::Tensor& input, double p, at::Generator& generator) {
    at::Tensor x = bn1_(conv1_(input)).relu_();
    x = bn2_(conv2_(dropout(x, p, is_training(), generator))).relu_();
    return x + (skip_ ? skip_(input) : input); // Not in place: ReLU's gradient needs its output.
  }

 private:
  torch::nn::Conv2d conv1_;
  BatchNorm bn1_;
  torch::nn::Conv2d conv2_;
  BatchNorm bn2_;
  torch::nn::Conv2d skip_{nullptr};
};

class WideResNet final : public Net {
 public:
  explicit WideResNet(const TrainOptions& options)
      : dropout_(options.dropout),
        seed_(options.seed),
        rank_(options.world ? options.world->rank() : 0) { // Ranks drop different elements of their different rows.
    if (options.input.height < 4 || options.input.width < 4)
      throw Error(ErrorKind::usage,
                  "train.model wide_resnet: pictures of " + std::to_string(options.input.width) + " x " + std::to_string(options.input.height) +
                      " leave nothing after two poolings",
                  "use pictures of at least 4 x 4");
    if (options.widen < 1 || options.widen > 64)
      throw Error(ErrorKind::usage, "train.widen = " + std::to_string(options.widen) + " is out of range", "1 to 64; the study has 10");
    const std::int64_t widen = options.widen;
    const std::array<std::int64_t, 6> widths{16 * widen, 16 * widen, 32 * widen, 32 * widen, 64 * widen, 64 * widen};
    std::int64_t in = 16;
    conv_ = register_module("conv", convolution(options.input.channels, in, 3));
    bn_ = register_module("bn", BatchNorm(in));
    const auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>());
    for (std::size_t i = 0; i < widths.size(); ++i)
      blocks_.push_back(blocks->register_module(std::to_string(i), std::make_shared<Block>(std::exchange(in, widths[i]), widths[i], i % 2 == 0)));
    fc_ = register_module("fc", torch::nn::Linear(in, options.classes));
  }

  at::Tensor forward(at::Tensor x) override {
    x = bn_(conv_(x)).relu_();
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      x = blocks_[i]->forward(x, dropout_, generator);
      if (i == 1 || i == 3) x = at::max_pool2d(x, {2, 2});
    }
    return fc_(x.mean({2, 3}));
  }
  /// Draws depend on (seed, rank, forward) alone, and forwards are counted in what a checkpoint holds: a resumed run drops the same.
  void prepare(at::Device where) override {
    if (dropout_ == 0 || !is_training()) return;
    if (!generator.defined()) {
      generator = make_generator(where);
      forwards_ = bn_->num_batches_tracked.cpu().item<std::int64_t>();
    }
    generator.set_current_seed(Rng(RngKey{seed_, static_cast<std::uint32_t>(rank_), static_cast<std::uint64_t>(forwards_++), 0}).next64());
  }

 private:
  const double dropout_;
  const std::uint64_t seed_;
  const int rank_;
  std::int64_t forwards_ = 0;
  torch::nn::Conv2d conv_{nullptr};
  BatchNorm bn_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Net> make_wide_resnet(const TrainOptions& options) { return std::make_shared<WideResNet>(options); }

}  // namespace millrace::train
