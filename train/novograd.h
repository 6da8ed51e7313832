#pragma once
#include <vector>

#include "train/api.h"
#include "train/torch_headers.h"

namespace millrace::train {

class FlatParameters;

/// NovoGrad: each tensor's gradient is divided by a running norm of its own, then averaged with momentum, so that with
/// grad_averaging no step is longer than lr a tensor, whatever the gradient's size.
/// q = sum of g^2; v <- q at first, then beta2 v + (1 - beta2) q; u = g / (sqrt(v) + eps) + decay w, times 1 - beta1 where averaged;
/// m <- beta1 m + u; w <- w - lr m. No bias correction.
/// Source: Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments", 2019, algorithm 1.
class NovoGrad {
 public:
  NovoGrad(const TrainOptions& options, const FlatParameters& parameters);
  /// One update with the gradients divided by the scalar tensor `divisor`. Waits for nothing.
  void step(double lr, const at::Tensor& divisor);
  const at::Tensor& momentum() const { return momentum_; }
  const at::Tensor& squares() const { return squares_; }

 private:
  const double beta1_, beta2_, eps_, decay_, part_; ///< part_: of u in m.
  at::Tensor weights_, momentum_;                   ///< Flat.
  std::vector<at::Tensor> gradients_, momenta_;     ///< Each tensor's range.
  at::Tensor squares_;                              ///< v, one a tensor; 0 before the first gradient.
};

}  // namespace millrace::train
