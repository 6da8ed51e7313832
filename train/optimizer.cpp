#include "train/optimizer.h"

#include <array>
#include <cmath>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

constexpr std::int64_t kAlignment = 16; // Floats: 64 bytes, or MKL's results depend on where a tensor lies.

void require(bool good, const char* what, double value) {
  if (!good) throw Error(ErrorKind::usage, std::string("train.") + what + " = " + std::to_string(value) + " is out of range");
}

}  // namespace

FlatParameters::FlatParameters(std::vector<at::Tensor> parameters, at::Device where, std::int64_t first_bucket_bytes,
                               std::int64_t bucket_bytes)
    : parameters_(std::move(parameters)) {
  at::NoGradGuard no_grad;
  offsets_.resize(parameters_.size());
  std::int64_t end = 0;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const std::int64_t limit = (buckets_.size() <= 1 ? first_bucket_bytes : bucket_bytes) / 4;
    if (buckets_.empty() || buckets_.back().elements >= limit) buckets_.push_back({end, 0, {}});
    offsets_[i] = end;
    end += (parameters_[i].numel() + kAlignment - 1) / kAlignment * kAlignment;
    buckets_.back().tensors.push_back(i);
    buckets_.back().elements = end - buckets_.back().offset;
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(where);
  weights_ = at::zeros({end}, options);
  with_tail_ = at::zeros({end + kTail}, options);
  gradients_ = with_tail_.narrow(0, 0, end);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    const auto view = [&](const at::Tensor& flat) { return flat.narrow(0, offsets_[i], parameter.numel()).view(parameter.sizes()).detach(); };
    const at::Tensor weight = view(weights_);
    weight.copy_(parameter);
    const at::Tensor gradient = view(gradients_);
    parameter.set_data(weight);
    parameter.mutable_grad() = gradient;
  }
}

FlatBuffers::FlatBuffers(std::vector<at::Tensor> buffers, at::Device where) {
  at::NoGradGuard no_grad;
  std::int64_t end = 0;
  for (const at::Tensor& buffer : buffers)
    if (buffer.scalar_type() == at::kFloat) end += (buffer.numel() + kAlignment - 1) / kAlignment * kAlignment;
  if (end > 0) flat_ = at::zeros({end}, at::TensorOptions().dtype(at::kFloat).device(where));
  std::int64_t at = 0;
  for (at::Tensor& buffer : buffers) {
    if (buffer.scalar_type() != at::kFloat) {
      buffer.set_data(buffer.to(where));
      continue;
    }
    const at::Tensor view = flat_.narrow(0, at, buffer.numel()).view(buffer.sizes()).detach();
    view.copy_(buffer);
    buffer.set_data(view);
    at += (buffer.numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
}

std::uint64_t FlatParameters::count() const {
  std::uint64_t n = 0;
  for (const at::Tensor& parameter : parameters_) n += static_cast<std::uint64_t>(parameter.numel());
  return n;
}

double FlatParameters::norm() const {
  at::NoGradGuard no_grad;
  if (weights_.is_cpu()) {
    // Read once, without the two copies in double that ATen makes: a trainer waits for this at every checkpoint.
    constexpr std::int64_t kLanes = kAlignment;
    const float* values = weights_.const_data_ptr<float>();
    std::array<double, kLanes> sums{};
    for (std::int64_t i = 0; i < weights_.numel(); i += kLanes) // Tensors, and so the whole, end at a multiple of kAlignment.
      for (std::int64_t lane = 0; lane < kLanes; ++lane) sums[static_cast<std::size_t>(lane)] += static_cast<double>(values[i + lane]) * static_cast<double>(values[i + lane]);
    double sum = 0;
    for (const double part : sums) sum += part;
    return std::sqrt(sum);
  }
  return std::sqrt(weights_.to(at::kDouble).square().sum().item<double>());
}

Optimizer::Optimizer(const TrainOptions& options, const FlatParameters& parameters) : options_(options) {
  if (options.optimizer == "sgd") {
    kind_ = Kind::sgd;
  } else if (options.optimizer == "adam") {
    kind_ = Kind::adam;
  } else if (options.optimizer == "adamw") {
    kind_ = Kind::adamw;
  } else {
    throw Error(ErrorKind::usage, "train.optimizer: unknown optimizer '" + options.optimizer + "'", "known optimizers: sgd, adam, adamw");
  }
  require(options.lr >= 0 && std::isfinite(options.lr), "lr", options.lr);
  require(options.weight_decay >= 0 && std::isfinite(options.weight_decay), "weight_decay", options.weight_decay);
  weights_ = {parameters.weights()};
  gradients_ = {parameters.gradients()};
  const at::Tensor& like = weights_[0];
  divisor_ = at::ones({}, like.options());
  if (kind_ == Kind::sgd) {
    require(options.momentum >= 0 && options.momentum < 1, "momentum", options.momentum);
    if (options.nesterov && options.momentum == 0) throw Error(ErrorKind::usage, "train.nesterov needs a momentum above 0");
    if (options.momentum != 0) momenta_ = {at::zeros_like(like)};
  } else {
    require(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1);
    require(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2);
    require(options.eps >= 0, "eps", options.eps);
    exp_avgs_ = {at::zeros_like(like)};
    exp_avg_sqs_ = {at::zeros_like(like)};
    steps_ = {at::zeros({}, like.options())};
  }
}

void Optimizer::step(double rows) {
  at::NoGradGuard no_grad;
  if (rows != rows_) {
    divisor_.fill_(rows);
    rows_ = rows;
  }
  const TrainOptions& o = options_;
  if (kind_ == Kind::sgd) {
    at::_fused_sgd_(weights_, gradients_, momenta_, o.weight_decay, o.momentum, o.lr, /*dampening=*/0, o.nesterov, /*maximize=*/false, /*is_first_step=*/taken_ == 0,
                    divisor_);
  } else {
    steps_[0].add_(1);
    const auto kernel = kind_ == Kind::adam ? &at::_ops::_fused_adam_::call : &at::_ops::_fused_adamw_::call;
    kernel(weights_, gradients_, exp_avgs_, exp_avg_sqs_, /*max_exp_avg_sqs=*/{}, steps_, o.lr, o.beta1, o.beta2, o.weight_decay, o.eps,
           /*amsgrad=*/false, /*maximize=*/false, divisor_, /*found_inf=*/{});
  }
  ++taken_;
}

std::vector<std::pair<const char*, at::Tensor>> Optimizer::memories() const {
  std::vector<std::pair<const char*, at::Tensor>> out;
  if (!momenta_.empty()) out.emplace_back("momentum_buffer", momenta_[0]);
  if (!exp_avgs_.empty()) out.emplace_back("exp_avg", exp_avgs_[0]), out.emplace_back("exp_avg_sq", exp_avg_sqs_[0]);
  return out;
}

void Optimizer::set_taken(std::int64_t updates) {
  taken_ = updates;
  if (!steps_.empty()) steps_[0].fill_(static_cast<double>(updates));
}

}  // namespace millrace::train
