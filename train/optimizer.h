#pragma once
#include <optional>
#include <vector>

#include "train/api.h"
#include "train/loss_scaler.h"
#include "train/novograd.h"
#include "train/schedule.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// A stretch of the flat gradients that is exchanged at once: whole tensors, about 25 MiB (the first, ready first: 1 MiB).
struct Bucket {
  std::int64_t offset = 0, elements = 0;
  std::vector<std::size_t> tensors; ///< Indices into parameters().
};

/// A model's weights and gradients, each in one flat buffer in reverse order of parameters(), which is about the order in
/// which backward finishes them: fixed addresses, one optimiser kernel a step, and a bucket of gradients is a range. Tensors start at
/// 64 bytes; the gaps stay zero. Behind the last gradient lie kTail floats more, for what ranks add up together with the last bucket.
///
/// Parameters are views of the weights. Their grad() is undefined before each backward, so that autograd leaves there what it computed,
/// as it is; take_gradients() then moves all of it into the flat buffer by one kernel. (Where grad() is a view set beforehand, autograd
/// adds to it: a kernel a parameter, a third of MobileNetV3's.)
/// Owns:    the buffers, which the parameters given share.
/// Threads: one at a time; take_gradients of different buckets also on autograd's.
class FlatParameters {
 public:
  /// Moves the parameters to `where`; they keep their values and stay leaves.
  /// Bucket sizes of 0: a bucket for each parameter.
  FlatParameters(std::vector<at::Tensor> parameters, at::Device where, std::int64_t first_bucket_bytes = 1 << 20,
                 std::int64_t bucket_bytes = 25 << 20);
  static constexpr std::int64_t kTail = 16;

  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  at::Tensor weights() const { return weights_; }
  at::Tensor gradients() const { return gradients_; } ///< Of this step, once they were taken.
  /// After each backward of a step: moves what it left in the parameters' grad() into the flat gradients, where it is added to what earlier
  /// backwards of the step brought. Parameters that none has touched get zeros.
  void take_gradients();
  void take_gradients(std::size_t bucket);
  void forget_gradients(); ///< The step is over: what the next backward brings overwrites what is there.
  at::Tensor view_of(const at::Tensor& flat, std::size_t parameter) const; ///< Its part of a buffer that is laid out as the weights are.
  at::Tensor in_standard_order(const at::Tensor& flat) const; ///< With channels first in every part, as torch names them in files.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  at::Tensor gradients_of(std::size_t bucket) const { return with_tail_.narrow(0, buckets_[bucket].offset, buckets_[bucket].elements); }
  at::Tensor tail() const { return with_tail_.narrow(0, gradients_.numel(), kTail); }
  at::Tensor gradients_and_tail(std::size_t last_bucket) const {
    return with_tail_.narrow(0, buckets_[last_bucket].offset, buckets_[last_bucket].elements + kTail);
  }
  std::int64_t offset(std::size_t parameter) const { return offsets_[parameter]; } ///< Elements before it in the flat buffers.
  std::uint64_t count() const; ///< Of weights, without gaps.
  double norm() const;         ///< L2 of all weights, summed in double. Waits for the device.

 private:
  struct Moves;
  void collect(std::size_t bucket, Moves& moves);

  std::vector<at::Tensor> parameters_, gradient_views_;
  at::Tensor weights_, with_tail_, gradients_;
  std::vector<Bucket> buckets_;
  std::vector<char> taken_; ///< By bucket: it holds gradients of this step.
  std::vector<std::int64_t> offsets_;
};

/// A model's float buffers (BatchNorm's running statistics) in one flat tensor and its counters (num_batches_tracked) in another, of which
/// the buffers become views: one copy, sum or addition serves all.
class FlatBuffers {
 public:
  FlatBuffers(std::vector<at::Tensor> buffers, at::Device where);
  const at::Tensor& flat() const { return flat_; } ///< Undefined: there are none.
  void count(std::int64_t forwards);               ///< In training.
  void remember() { kept_ = flat_.defined() ? flat_.clone() : at::Tensor(); }
  void restore(); ///< What was remembered last.

 private:
  at::Tensor flat_, counters_, kept_;
};

/// SGD (momentum, Nesterov), Adam and AdamW with torch.optim's definitions, by ATen's fused kernels, and NovoGrad; with the
/// learning rate of each step, gradients clipped by their norm, and scaled losses.
/// Errors:  Error(usage) for an unknown name or values out of range.
class Optimizer {
 public:
  Optimizer(const TrainOptions& options, const FlatParameters& parameters);
  /// What backward should start from: the loss as it is, or scaled so that fp16 holds its gradients.
  at::Tensor scaled(const at::Tensor& loss) const { return scaler_ ? scaler_->scaled(loss) : loss; }
  /// One update. Gradients are sums over rows; the kernels divide them by `rows` (as the scaler of mixed precision does).
  void step(double rows);
  /// The same in two parts, for a captured step: what changes from step to step is written to where the other reads it.
  void prepare(double rows);
  void step_prepared();
  void stepped_elsewhere() { ++taken_; }         ///< A captured step_prepared was run once more.
  bool takes_rate_from_device() const { return kind_ != Kind::novograd; }
  /// What it remembers from step to step, under torch's names: flat, as the weights are.
  std::vector<std::pair<const char*, at::Tensor>> memories() const;
  std::vector<std::pair<const char*, at::Tensor>> small_memories() const; ///< The rest, each whole.
  std::int64_t taken() const { return taken_; }  ///< Updates so far.
  void set_taken(std::int64_t updates);
  const Schedule& schedule() const { return schedule_; }
  double learning_rate() const { return schedule_.at(taken_ ? static_cast<std::uint64_t>(taken_ - 1) : 0); } ///< Of the last step.

 private:
  enum class Kind : std::uint8_t { sgd, adam, adamw, novograd };
  void set_divisor(double rows);
  void update(double rows, const at::Tensor* rate);

  Kind kind_;
  TrainOptions options_;
  Schedule schedule_;
  std::optional<LossScaler> scaler_;
  std::optional<NovoGrad> novograd_;
  std::int64_t taken_ = 0;
  double rows_ = 0, lr_on_device_ = -1;
  at::Tensor rate_; ///< Of prepared steps.
  at::Tensor divisor_; ///< What the kernels divide gradients by: `rows_`, unless losses are scaled or gradients clipped.
  std::vector<at::Tensor> weights_, gradients_, momenta_, exp_avgs_, exp_avg_sqs_, steps_; // Lists of one tensor, or empty.
};

}  // namespace millrace::train
