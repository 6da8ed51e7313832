#pragma once
#include "train/api.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// Mixed precision as torch.autocast does it, for as long as it lives: the forward's matrix work in 16 bits, weights and gradients in float32.
/// Threads: the one that made it.
class Autocast {
 public:
  Autocast(Precision precision, at::DeviceType where) : wanted_(precision != Precision::fp32), where_(where) {
    if (!wanted_) return;
    at::autocast::increment_nesting();
    at::autocast::set_autocast_dtype(where_, precision == Precision::bf16 ? at::kBFloat16 : at::kHalf);
    at::autocast::set_autocast_enabled(where_, true);
  }
  ~Autocast() {
    if (!wanted_) return;
    at::autocast::set_autocast_enabled(where_, false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache(); // Or the next step would use these weights.
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool wanted_;
  const at::DeviceType where_;
};

}  // namespace millrace::train
