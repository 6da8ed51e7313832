#pragma once
#include <map>
#include <memory>

#include "train/local_collective.h"

namespace millrace::train {

/// How the norms of one model reach the other ranks, and on GPUs the values a channel that each rank has in the forward under way: rows are
/// gathered once for all layers, whose pictures have H x W values each.
/// Threads: one caller at a time.
struct NormSync {
  /// A channel's values by rank, on the device. A rank without rows has kNone: a weight that adds nothing, where 0 would divide by it.
  struct Counts {
    at::Tensor weights; ///< float32.
    at::Tensor exact;   ///< int32.
  };
  static constexpr double kNone = 1e-30;

  std::shared_ptr<Collective> ranks;
  Staging staging;

  /// Before each forward of a step, on a GPU: this rank has `rows`. Waits for nothing.
  void begin_forward(std::int64_t rows, at::Device where);
  const Counts& counts(std::int64_t values_a_row);
  /// The fewest that a layer of the last forward has: 0 before the first.
  std::int64_t fewest_values_a_row() const { return counts_.empty() ? 0 : counts_.begin()->first; }
  /// What each rank has, by rank: size x N of this rank's N values.
  at::Tensor gather(const at::Tensor& values);

 private:
  at::Tensor rows_; ///< By rank, float32.
  std::map<std::int64_t, Counts> counts_; ///< Of this forward, by values a row.
};

/// SyncBN by ATen's fused CUDA kernels, as torch.nn.SyncBatchNorm: x normalised with the statistics of all ranks' rows, which the running ones
/// move towards. No wait for the device; NormSync::begin_forward has been called. Rows that were all left out, on every rank, spoil the
/// running statistics: who learns of that puts them back.
at::Tensor fused_sync_batch_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& running_mean,
                                 const at::Tensor& running_var, double momentum, double eps, std::shared_ptr<NormSync> sync);

}  // namespace millrace::train
