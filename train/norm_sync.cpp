#include "train/norm_sync.h"

namespace millrace::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Holder : torch::CustomClassHolder {
  explicit Holder(std::shared_ptr<NormSync> of) : sync(std::move(of)) {}
  std::shared_ptr<NormSync> sync;
};

struct FusedSyncBatchNorm : torch::autograd::Function<FusedSyncBatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& running_mean, const at::Tensor& running_var, double momentum, double eps, std::shared_ptr<NormSync> sync) {
    const at::Tensor x = input.contiguous(input.suggest_memory_format());
    const std::int64_t channels = x.size(1);
    const NormSync::Counts& counts = sync->counts(x.size(2) * x.size(3));
    // Statistics of no values: any finite ones, since they weigh nothing.
    const auto [own_mean, own_inverse_std] =
        x.numel() > 0 ? at::batch_norm_stats(x, eps) : std::tuple{at::zeros_like(running_mean), at::ones_like(running_mean)};
    const at::Tensor all = sync->gather(at::cat({own_mean, own_inverse_std}));
    const auto [mean, inverse_std] = at::batch_norm_gather_stats_with_counts(x, all.narrow(1, 0, channels), all.narrow(1, channels, channels), running_mean,
                                                                             running_var, momentum, eps, counts.weights);
    context->save_for_backward({x, weight, mean, inverse_std, counts.exact});
    context->saved_data["sync"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(std::move(sync)));
    return x.numel() > 0 ? at::batch_norm_elemt(x, weight, bias, mean, inverse_std, eps) : at::empty_like(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse_std = saved[3], &counts = saved[4];
    NormSync& sync = *c10::static_intrusive_pointer_cast<Holder>(context->saved_data["sync"].toCapsule())->sync;
    const at::Tensor dy = gradients[0].contiguous(x.suggest_memory_format());
    const std::int64_t channels = x.size(1);
    if (x.numel() == 0) { // The others wait for this rank's zeros.
      sync.staging.all_reduce_sum(*sync.ranks, at::zeros({2 * channels}, mean.options()));
      return {at::empty_like(x), at::zeros_like(weight), at::zeros_like(weight), {}, {}, {}, {}, {}};
    }
    // Gradients of weight and bias are of this rank's rows: they are added up over ranks later.
    const auto [sum_dy, sum_dy_centred, weight_gradient, bias_gradient] = at::batch_norm_backward_reduce(dy, x, mean, inverse_std, weight, true, true, true);
    const at::Tensor sums = at::cat({sum_dy, sum_dy_centred});
    sync.staging.all_reduce_sum(*sync.ranks, sums);
    const at::Tensor dx = at::batch_norm_backward_elemt(dy, x, mean, inverse_std, weight, sums.narrow(0, 0, channels), sums.narrow(0, channels, channels), counts);
    return {dx, weight_gradient, bias_gradient, {}, {}, {}, {}, {}};
  }
};

}  // namespace

void NormSync::begin_forward(std::int64_t rows, at::Device where) {
  at::NoGradGuard no_grad;
  counts_.clear();
  rows_ = gather(at::full({1}, static_cast<double>(rows), at::TensorOptions().dtype(at::kFloat).device(where))).view({-1});
}

const NormSync::Counts& NormSync::counts(std::int64_t values_a_row) {
  const auto [entry, made] = counts_.try_emplace(values_a_row);
  if (made) {
    at::NoGradGuard no_grad;
    const at::Tensor exact = rows_ * values_a_row;
    entry->second = {exact.clamp_min(kNone), exact.to(at::kInt)};
  }
  return entry->second;
}

at::Tensor NormSync::gather(const at::Tensor& values) {
  const at::Tensor all = at::empty({ranks->size(), values.numel()}, values.options());
  staging.all_gather_into(*ranks, all, values);
  return all;
}

at::Tensor fused_sync_batch_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& running_mean,
                                 const at::Tensor& running_var, double momentum, double eps, std::shared_ptr<NormSync> sync) {
  return FusedSyncBatchNorm::apply(x, weight, bias, running_mean, running_var, momentum, eps, std::move(sync));
}

}  // namespace millrace::train
