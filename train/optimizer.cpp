#include "train/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

constexpr std::int64_t kAlignment = 16; // Floats: 64 bytes, or MKL's results depend on where a tensor lies.

void require(bool good, const char* what, double value) {
  if (!good) throw Error(ErrorKind::usage, std::string("train.") + what + " = " + std::to_string(value) + " is out of range");
}

/// `gradient` with the strides of `view`, where only those of sides of one differ, which say nothing: ATen's kernels for lists of tensors
/// want equal ones, and would otherwise take a kernel for each tensor of the list.
at::Tensor with_strides_of(const at::Tensor& view, at::Tensor gradient) {
  if (gradient.strides() == view.strides() || !gradient.is_non_overlapping_and_dense()) return gradient;
  for (std::int64_t d = 0; d < gradient.dim(); ++d)
    if (gradient.size(d) != 1 && gradient.stride(d) != view.stride(d)) return gradient;
  return gradient.as_strided(view.sizes(), view.strides());
}

}  // namespace

/// What is moved at once, by a kernel each.
struct FlatParameters::Moves {
  std::vector<at::Tensor> copied, copied_to, added, added_to, cleared;

  void run() const {
    if (!copied.empty()) at::_foreach_copy_(copied_to, copied, /*non_blocking=*/true);
    if (!added.empty()) at::_foreach_add_(added_to, added);
    if (!cleared.empty()) at::_foreach_zero_(cleared);
  }
};

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
  taken_.resize(buckets_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    const at::Tensor weight = view_of(weights_, i);
    weight.copy_(parameter);
    gradient_views_.push_back(view_of(gradients_, i));
    parameter.set_data(weight);
    parameter.mutable_grad().reset();
  }
}

void FlatParameters::collect(std::size_t bucket, Moves& moves) {
  const bool first = !std::exchange(taken_[bucket], 1);
  for (const std::size_t i : buckets_[bucket].tensors) {
    const at::Tensor& view = gradient_views_[i];
    at::Tensor gradient = std::exchange(parameters_[i].mutable_grad(), at::Tensor());
    if (gradient.defined()) {
      (first ? moves.copied : moves.added).push_back(with_strides_of(view, std::move(gradient)));
      (first ? moves.copied_to : moves.added_to).push_back(view);
    } else if (first) {
      moves.cleared.push_back(view);
    }
  }
}

void FlatParameters::take_gradients(std::size_t bucket) {
  at::NoGradGuard no_grad;
  Moves moves;
  collect(bucket, moves);
  moves.run();
}

void FlatParameters::take_gradients() {
  at::NoGradGuard no_grad;
  Moves moves;
  for (std::size_t b = 0; b < buckets_.size(); ++b) collect(b, moves);
  moves.run();
}

void FlatParameters::forget_gradients() {
  std::ranges::fill(taken_, 0);
  for (const at::Tensor& parameter : parameters_) parameter.mutable_grad().reset(); // Of a backward that failed.
}

FlatBuffers::FlatBuffers(std::vector<at::Tensor> buffers, at::Device where) {
  at::NoGradGuard no_grad;
  const auto counts = [](const at::Tensor& buffer) { return buffer.scalar_type() == at::kLong; };
  const auto room = [](const at::Tensor& buffer) { return (buffer.numel() + kAlignment - 1) / kAlignment * kAlignment; };
  std::int64_t floats = 0, integers = 0;
  for (const at::Tensor& buffer : buffers) (counts(buffer) ? integers : floats) += counts(buffer) ? buffer.numel() : room(buffer);
  if (floats > 0) flat_ = at::zeros({floats}, at::TensorOptions().dtype(at::kFloat).device(where));
  if (integers > 0) counters_ = at::zeros({integers}, at::TensorOptions().dtype(at::kLong).device(where));
  floats = integers = 0;
  for (at::Tensor& buffer : buffers) {
    std::int64_t& at = counts(buffer) ? integers : floats;
    const at::Tensor view = (counts(buffer) ? counters_ : flat_).narrow(0, at, buffer.numel()).view(buffer.sizes()).detach();
    view.copy_(buffer);
    at += counts(buffer) ? buffer.numel() : room(buffer);
    buffer.set_data(view);
  }
}

void FlatBuffers::count(std::int64_t forwards) {
  at::NoGradGuard no_grad;
  if (counters_.defined() && forwards > 0) counters_.add_(forwards);
}

void FlatBuffers::restore() {
  at::NoGradGuard no_grad;
  if (kept_.defined()) flat_.copy_(kept_);
}

at::Tensor FlatParameters::view_of(const at::Tensor& flat, std::size_t i) const {
  // With the parameter's own strides: convolution weights may have their channels last.
  return flat.as_strided(parameters_[i].sizes(), parameters_[i].strides(), flat.storage_offset() + offsets_[i]).detach();
}

at::Tensor FlatParameters::in_standard_order(const at::Tensor& flat) const {
  at::Tensor out = flat;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i];
    if (parameter.is_contiguous()) continue;
    if (out.is_same(flat)) out = flat.clone();
    out.narrow(0, offsets_[i], parameter.numel()).view(parameter.sizes()).copy_(view_of(flat, i));
  }
  return out;
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
  return std::sqrt(weights_.to(at::kDouble).square().sum().cpu().item<double>());
}

Optimizer::Optimizer(const TrainOptions& options, const FlatParameters& parameters) : options_(options), schedule_(options) {
  if (options.optimizer == "sgd") {
    kind_ = Kind::sgd;
  } else if (options.optimizer == "adam") {
    kind_ = Kind::adam;
  } else if (options.optimizer == "adamw") {
    kind_ = Kind::adamw;
  } else if (options.optimizer == "novograd") {
    kind_ = Kind::novograd;
  } else {
    throw Error(ErrorKind::usage, "train.optimizer: unknown optimizer '" + options.optimizer + "'",
                "known optimizers: sgd, adam, adamw, novograd");
  }
  require(options.weight_decay >= 0 && std::isfinite(options.weight_decay), "weight_decay", options.weight_decay);
  require(options.clip_norm >= 0 && std::isfinite(options.clip_norm), "clip_norm", options.clip_norm);
  require(options.label_smoothing >= 0 && options.label_smoothing < 1, "label_smoothing", options.label_smoothing);
  weights_ = {parameters.weights()};
  gradients_ = {parameters.gradients()};
  const at::Tensor& like = weights_[0];
  divisor_ = at::ones({}, like.options());
  if (options.precision == Precision::fp16 || options.precision == Precision::fp16_unscaled)
    scaler_.emplace(like.device(), static_cast<double>(options.global_batch) / (options.world ? options.world->size() : 1), options.precision == Precision::fp16);
  if (kind_ == Kind::sgd) {
    require(options.momentum >= 0 && options.momentum < 1, "momentum", options.momentum);
    if (options.nesterov && options.momentum == 0) throw Error(ErrorKind::usage, "train.nesterov needs a momentum above 0");
    if (options.momentum != 0) momenta_ = {at::zeros_like(like)};
    return;
  }
  require(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1);
  require(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2);
  require(options.eps >= 0, "eps", options.eps);
  if (kind_ == Kind::novograd) {
    novograd_.emplace(options, parameters);
    return;
  }
  exp_avgs_ = {at::zeros_like(like)};
  exp_avg_sqs_ = {at::zeros_like(like)};
  steps_ = {at::zeros({}, like.options())};
}

void Optimizer::set_divisor(double rows) {
  const bool changes = scaler_ || options_.clip_norm > 0; // With the gradients, not only with the rows.
  if (rows == rows_ && !changes) return;
  divisor_.fill_(rows);
  rows_ = rows;
  if (scaler_) divisor_.mul_(scaler_->factor());
  // A longer divisor is a shorter gradient: clipping costs no pass of its own. torch's clip_grad_norm_ adds 1e-6 too.
  if (options_.clip_norm > 0)
    divisor_.mul_((at::linalg_vector_norm(gradients_[0]) / divisor_).add_(1e-6).div_(options_.clip_norm).clamp_min_(1));
}

void Optimizer::step(double rows) {
  update(rows, nullptr);
  ++taken_;
}

void Optimizer::prepare(double rows) {
  at::NoGradGuard no_grad;
  const double lr = schedule_.at(static_cast<std::uint64_t>(taken_));
  if (!rate_.defined()) rate_ = at::zeros({}, weights_[0].options());
  if (lr != std::exchange(lr_on_device_, lr)) rate_.fill_(lr);
  if (rows != std::exchange(rows_, rows)) divisor_.fill_(rows);
}

void Optimizer::step_prepared() { update(rows_, &rate_); }

/// With a rate on the device, or this step's as a number.
void Optimizer::update(double rows, const at::Tensor* rate) {
  at::NoGradGuard no_grad;
  const TrainOptions& o = options_;
  const double lr = schedule_.at(static_cast<std::uint64_t>(taken_));
  std::optional<at::Tensor> overflow;
  if (scaler_) overflow = scaler_->look_for_overflow(gradients_[0]);
  set_divisor(rows);
  if (kind_ == Kind::sgd) {
    const auto step = [&](const auto& value) {
      at::_fused_sgd_(weights_, gradients_, momenta_, o.weight_decay, o.momentum, value, /*dampening=*/0, o.nesterov, /*maximize=*/false, /*is_first_step=*/taken_ == 0,
                      divisor_, overflow);
    };
    rate ? step(*rate) : step(lr);
  } else if (kind_ == Kind::novograd) {
    if (!overflow || overflow->cpu().item<float>() == 0) novograd_->step(lr, divisor_);
  } else {
    steps_[0].add_(1);
    if (overflow) steps_[0].sub_(*overflow); // A step that is left out does not count for the bias correction.
    const auto step = [&](const auto kernel, const auto& value) {
      kernel(weights_, gradients_, exp_avgs_, exp_avg_sqs_, /*max_exp_avg_sqs=*/{}, steps_, value, o.beta1, o.beta2, o.weight_decay, o.eps,
             /*amsgrad=*/false, /*maximize=*/false, divisor_, overflow);
    };
    const bool adam = kind_ == Kind::adam;
    if (rate)
      step(adam ? &at::_ops::_fused_adam__tensor_lr::call : &at::_ops::_fused_adamw__tensor_lr::call, *rate);
    else
      step(adam ? &at::_ops::_fused_adam_::call : &at::_ops::_fused_adamw_::call, lr);
  }
  if (scaler_) scaler_->update();
}

std::vector<std::pair<const char*, at::Tensor>> Optimizer::memories() const {
  std::vector<std::pair<const char*, at::Tensor>> out;
  if (!momenta_.empty()) out.emplace_back("momentum_buffer", momenta_[0]);
  if (!exp_avgs_.empty()) out.emplace_back("exp_avg", exp_avgs_[0]), out.emplace_back("exp_avg_sq", exp_avg_sqs_[0]);
  if (novograd_) out.emplace_back("momentum_buffer", novograd_->momentum());
  return out;
}

std::vector<std::pair<const char*, at::Tensor>> Optimizer::small_memories() const {
  std::vector<std::pair<const char*, at::Tensor>> out;
  if (novograd_) out.emplace_back("gradient_norms_squared", novograd_->squares());
  // Steps that an overflow left out are not counted for Adam's bias correction.
  if (scaler_ && !steps_.empty()) out.emplace_back("steps_taken", steps_[0]);
  if (scaler_) out.emplace_back("loss_scale", scaler_->scale()), out.emplace_back("steps_without_overflow", scaler_->steps_without());
  return out;
}

void Optimizer::set_taken(std::int64_t updates) {
  taken_ = updates;
  if (!steps_.empty() && !scaler_) steps_[0].fill_(static_cast<double>(updates));
  if (scaler_) scaler_->loaded();
}

}  // namespace millrace::train
