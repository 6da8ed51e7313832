#pragma once
#include <memory>

#include "pipeline/error.h"
#include "train/norm_sync.h"

namespace millrace::train {

/// torch.nn.BatchNorm2d with its names and defaults (eps 1e-5, momentum .1), whose statistics can be taken over the valid rows of all
/// ranks: SyncBN, as torch.nn.SyncBatchNorm defines it; on a GPU by the same kernels (norm_sync.h). On the CPU sums travel in double, so that the
/// variance does not suffer from E[x^2] - E[x]^2. num_batches_tracked is the trainer's to count, for all norms at once (FlatBuffers).
/// Errors:  Error(usage) in training for a batch that gives it one value a channel, whose variance is none (one_value_a_channel, which the
///          caller throws where SyncBN runs on a GPU: no layer there knows the other ranks' rows).
class BatchNormImpl final : public torch::nn::Module {
 public:
  explicit BatchNormImpl(std::int64_t channels)
      : weight(register_parameter("weight", at::ones({channels}))),
        bias(register_parameter("bias", at::zeros({channels}))),
        running_mean(register_buffer("running_mean", at::zeros({channels}))),
        running_var(register_buffer("running_var", at::ones({channels}))),
        num_batches_tracked(register_buffer("num_batches_tracked", at::zeros({}, at::kLong))) {}

  at::Tensor forward(const at::Tensor& x); ///< N x C x H x W; with SyncBN N may be 0.
  void synchronise(std::shared_ptr<NormSync> sync) { sync_ = std::move(sync); }

  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;
  std::int64_t values_a_channel = 0; ///< In the last forward, of this rank's rows.

 private:
  static constexpr double kMomentum = 0.1, kEps = 1e-5;
  at::Tensor synchronised(const at::Tensor& x);
  std::shared_ptr<NormSync> sync_; ///< Null: this rank's rows.
};
TORCH_MODULE(BatchNorm);

/// Makes every BatchNorm of `net` take its statistics over all ranks, on their second way where they have one.
/// Returns what they share; null: there is no BatchNorm.
std::shared_ptr<NormSync> synchronise_norms(torch::nn::Module& net, const std::shared_ptr<Collective>& ranks);

Error one_value_a_channel();

}  // namespace millrace::train
