#include "train/batch_norm.h"

#include "train/device_wait.h"

namespace millrace::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor by_channel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

struct Statistics {
  at::Tensor mean, var; ///< C, float32; var biased.
  double count = 0;     ///< Values a channel, over all ranks.
};

/// Each rank's count, mean and squared deviation become sums that add up.
Statistics statistics_of(const at::Tensor& x, NormSync& sync) {
  const std::int64_t channels = x.size(1);
  const double count = static_cast<double>(x.numel()) / static_cast<double>(channels);
  at::Tensor sums = at::zeros({2 * channels + 1}, x.options().dtype(at::kDouble));
  if (count > 0) {
    auto [var, mean] = at::var_mean(x, {0, 2, 3}, /*correction=*/0);
    mean = mean.to(at::kDouble);
    sums.narrow(0, 0, channels).copy_(mean).mul_(count);
    sums.narrow(0, channels, channels).copy_(mean).square_().add_(var).mul_(count);
    sums[2 * channels].fill_(count);
  }
  sync.staging.all_reduce_sum(*sync.ranks, sums);
  wait_for_current_stream(sync.ranks.get(), sums.device());
  const double total = sums[2 * channels].item<double>();
  if (total == 0) return {}; // Rows that were all left out: nobody's statistics change.
  if (total <= 1) throw one_value_a_channel();
  const at::Tensor mean = sums.narrow(0, 0, channels) / total;
  const at::Tensor var = sums.narrow(0, channels, channels) / total - mean.square();
  return {mean.to(at::kFloat), var.clamp_min_(0).to(at::kFloat), total};
}

/// y = (x - mean) / sqrt(var + eps) * weight + bias, where mean and var depend on x of every rank.
struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean,
                            const at::Tensor& var, double count, double eps, std::shared_ptr<NormSync> sync) {
    context->save_for_backward({x, weight, mean, (var + eps).rsqrt()});
    context->saved_data["count"] = count;
    context->saved_data["sync"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(std::move(sync)));
    return at::batch_norm(x, weight, bias, mean, var, /*training=*/false, /*momentum=*/0, eps, /*cudnn_enabled=*/false);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse_std = saved[3];
    NormSync& sync = *c10::static_intrusive_pointer_cast<Holder>(context->saved_data["sync"].toCapsule())->sync;
    const double count = context->saved_data["count"].toDouble();
    const at::Tensor& dy = gradients[0];
    const at::Tensor centred = x - by_channel(mean);
    const at::Tensor sum_dy = dy.sum({0, 2, 3}), sum_dy_centred = (dy * centred).sum({0, 2, 3});
    at::Tensor sums = at::cat({sum_dy, sum_dy_centred}).to(at::kDouble);
    sync.staging.all_reduce_sum(*sync.ranks, sums);
    const auto means = (sums / count).to(at::kFloat).chunk(2);
    const at::Tensor dx = (dy - by_channel(means[0]) - centred * by_channel(inverse_std.square() * means[1])) * by_channel(inverse_std * weight);
    // Of this rank's rows: gradients are added up over ranks later.
    return {dx, sum_dy_centred * inverse_std, sum_dy, {}, {}, {}, {}, {}};
  }
  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<NormSync> of) : sync(std::move(of)) {}
    std::shared_ptr<NormSync> sync;
  };
};

}  // namespace

at::Tensor BatchNormImpl::forward(const at::Tensor& x) {
  values_a_channel = x.numel() / x.size(1);
  if (is_training()) {
    if (sync_) return synchronised(x);
    if (x.numel() == x.size(1))
      throw Error(ErrorKind::usage, "BatchNorm: a batch of one row gives it one value a channel",
                  "loader.drop_last = true leaves such a last batch out; train.norm = \"syncbn\" takes the rows of all ranks together");
  }
  return at::batch_norm(x, weight, bias, running_mean, running_var, is_training(), kMomentum, kEps, /*cudnn_enabled=*/true);
}

at::Tensor BatchNormImpl::synchronised(const at::Tensor& input) {
  if (input.is_cuda()) return fused_sync_batch_norm(input, weight, bias, running_mean, running_var, kMomentum, kEps, sync_);
  const at::Tensor x = input.to(at::kFloat); // Statistics are float32's under mixed precision too.
  Statistics s;
  {
    at::NoGradGuard no_grad;
    s = statistics_of(x.detach(), *sync_);
    if (s.count == 0) return at::batch_norm(x, weight, bias, running_mean, running_var, /*training=*/false, kMomentum, kEps, /*cudnn_enabled=*/false).to(input.scalar_type());
    running_mean.mul_(1 - kMomentum).add_(s.mean, kMomentum);
    running_var.mul_(1 - kMomentum).add_(s.var, kMomentum * s.count / (s.count - 1));
  }
  return SyncBatchNorm::apply(x, weight, bias, s.mean, s.var, s.count, kEps, sync_).to(input.scalar_type());
}

Error one_value_a_channel() {
  return Error(ErrorKind::usage, "BatchNorm: this batch gives it 1 value a channel over all ranks", "loader.drop_last = true leaves such a last batch out");
}

std::shared_ptr<NormSync> synchronise_norms(torch::nn::Module& net, const std::shared_ptr<Collective>& ranks) {
  std::shared_ptr<NormSync> sync;
  for (const auto& module : net.modules())
    if (auto* norm = dynamic_cast<BatchNormImpl*>(module.get())) {
      if (!sync) {
        sync = std::make_shared<NormSync>();
        sync->ranks = ranks->second() ? ranks->second() : ranks;
      }
      norm->synchronise(sync);
    }
  return sync;
}

}  // namespace millrace::train
