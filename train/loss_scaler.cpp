#include "train/loss_scaler.h"

namespace millrace::train {

LossScaler::LossScaler(at::Device where, double planned_rows, bool dynamic) : planned_rows_(planned_rows), dynamic_(dynamic) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(where);
  scale_ = at::full({}, dynamic ? 65536.0 : 1.0, options);
  overflow_ = at::zeros({}, options);
  steps_without_ = at::zeros({}, options.dtype(at::kInt));
  factor_ = scale_ / planned_rows;
}

std::optional<at::Tensor> LossScaler::look_for_overflow(const at::Tensor& gradients) {
  if (!dynamic_) return std::nullopt;
  overflow_.zero_();
  // Its other half, a multiplication, is left to the optimiser's kernel: 1 changes nothing.
  at::_amp_foreach_non_finite_check_and_unscale_(std::array{gradients}, overflow_, at::ones_like(scale_));
  return overflow_;
}

void LossScaler::update() {
  if (!dynamic_) return;
  at::_amp_update_scale_(scale_, steps_without_, overflow_, /*growth_factor=*/2.0, /*backoff_factor=*/0.5, /*growth_interval=*/2000);
  loaded();
}

}  // namespace millrace::train
