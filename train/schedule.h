#pragma once
#include "train/api.h"

namespace millrace::train {

/// The learning rate of each step: the base rate, scaled for the batch, times a factor that depends on the step alone.
/// Warm-up multiplies what the schedule gives, as torch.optim.lr_scheduler's LinearLR does when chained with another; where the base rate was
/// scaled for a larger batch it begins at the unscaled one (Goyal et al.). Nothing depends on the number of ranks but by the batch.
/// Steps beyond the planned ones keep the last value.
/// Threads: any.
/// Errors:  Error(usage) for values out of range.
class Schedule {
 public:
  explicit Schedule(const TrainOptions& options);
  double base() const { return base_; } ///< After scaling with the batch.
  double at(std::uint64_t step) const { return base_ * factor(step); }
  double factor(std::uint64_t step) const;

 private:
  double shape(double now, double end) const;

  const ScheduleOptions options_;
  double base_ = 0, warmup_start_ = 1;
};

/// What the base rate is multiplied by: G / base, its square root, or 1.
/// Source: Goyal et al., "Accurate, large minibatch SGD", 2017, for linear; Krizhevsky, "One weird trick", 2014, for the root.
double batch_factor(LrScaling rule, double global_batch, double base_batch);

}  // namespace millrace::train
