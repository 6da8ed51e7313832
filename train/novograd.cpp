#include "train/novograd.h"

#include "train/optimizer.h"

namespace millrace::train {

NovoGrad::NovoGrad(const TrainOptions& options, const FlatParameters& parameters)
    : beta1_(options.beta1),
      beta2_(options.beta2),
      eps_(options.eps),
      decay_(options.weight_decay),
      part_(options.grad_averaging ? 1 - options.beta1 : 1),
      weights_(parameters.weights()),
      momentum_(at::zeros_like(weights_)),
      squares_(at::zeros({static_cast<std::int64_t>(parameters.parameters().size())}, weights_.options())) {
  for (std::size_t i = 0; i < parameters.parameters().size(); ++i) {
    const std::int64_t offset = parameters.offset(i), elements = parameters.parameters()[i].numel();
    gradients_.push_back(parameters.gradients().narrow(0, offset, elements));
    momenta_.push_back(momentum_.narrow(0, offset, elements));
  }
}

void NovoGrad::step(double lr, const at::Tensor& divisor) {
  const at::Tensor squares = at::stack(at::_foreach_norm(gradients_)).div_(divisor).square_();
  squares_.copy_(at::where(squares_ == 0, squares, squares_ * beta2_ + squares * (1 - beta2_)));
  const std::vector<at::Tensor> scales = (part_ / (squares_.sqrt().add_(eps_).mul_(divisor))).unbind();
  momentum_.mul_(beta1_);
  for (std::size_t i = 0; i < scales.size(); ++i) momenta_[i].addcmul_(gradients_[i], scales[i]);
  if (decay_ != 0) momentum_.add_(weights_, part_ * decay_);
  weights_.sub_(momentum_, lr);
}

}  // namespace millrace::train
