#pragma once
#include <memory>

#include <torch/nn/modules/batchnorm.h>

#include "train/local_collective.h"

namespace millrace::train {

/// How the norms of one model reach the other ranks. Threads: one caller at a time.
struct NormSync {
  std::shared_ptr<Collective> ranks;
  Staging staging;
};

/// torch::nn::BatchNorm2d, whose statistics can be taken over the valid rows of all ranks (SyncBN, as torch.nn.SyncBatchNorm defines it).
/// Sums travel in double, so that the variance does not suffer from E[x^2] - E[x]^2.
/// Errors:  Error(usage) in training for a batch that gives it one value a channel, whose variance is no variance.
class BatchNorm2dImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using torch::nn::BatchNorm2dImpl::BatchNorm2dImpl;
  at::Tensor forward(const at::Tensor& x); ///< N x C x H x W; with SyncBN N may be 0.
  void synchronise(std::shared_ptr<NormSync> sync) { sync_ = std::move(sync); }

 private:
  at::Tensor synchronised(const at::Tensor& x);
  std::shared_ptr<NormSync> sync_; ///< Null: this rank's rows.
};
TORCH_MODULE(BatchNorm2d);

/// Makes every BatchNorm2d of `net` take its statistics over all ranks, on their second way where they have one.
/// Returns whether there was any.
bool synchronise_norms(torch::nn::Module& net, const std::shared_ptr<Collective>& ranks);

}  // namespace millrace::train
