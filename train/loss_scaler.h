#pragma once
#include <optional>

#include "train/torch_headers.h"

namespace millrace::train {

/// What keeps gradients within float16 during backward. The loss is a sum over rows and float16 ends at 65,504, so backward
/// starts from the mean over the planned rows, as in torch; with a `dynamic` scale it is multiplied by that, which is halved, and
/// the step left out, where a gradient overflowed, and doubled after 2,000 steps without. Waits for nothing.
/// Source:  Micikevicius et al., "Mixed precision training", 2018; torch.amp.GradScaler's constants.
class LossScaler {
 public:
  LossScaler(at::Device where, double planned_rows, bool dynamic);
  at::Tensor scaled(const at::Tensor& loss) const { return loss * factor_; }
  const at::Tensor& factor() const { return factor_; } ///< By which gradients are too long: a scalar on the device.
  /// 1 on the device where a gradient is not finite, else 0; nothing without a dynamic scale: such a step is taken, as in torch.
  std::optional<at::Tensor> look_for_overflow(const at::Tensor& gradients);
  void update(); ///< After the step.
  const at::Tensor& scale() const { return scale_; }
  const at::Tensor& steps_without() const { return steps_without_; }
  void loaded() { at::div_out(factor_, scale_, at::scalar_tensor(planned_rows_)); } ///< After the two were written.

 private:
  const double planned_rows_;
  const bool dynamic_;
  at::Tensor scale_, factor_, overflow_, steps_without_;
};

}  // namespace millrace::train
