#include "train/gradient_sync.h"

#include "train/device_wait.h"
#include "train/engine.h"
#include "train/nvtx.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

namespace millrace::train {

/// Behind the accumulation of one parameter's gradient: on the CPU in the trainer's thread, on a GPU in autograd's, which all local
/// ranks of that GPU share, so it never waits.
struct GradientSync::Hook final : torch::autograd::PostAccumulateGradHook {
  Hook(GradientSync& sync, std::size_t bucket) : sync_(sync), bucket_(bucket) {}
  void operator()(const at::Tensor&) override { sync_.mark(bucket_); }

 private:
  GradientSync& sync_;
  const std::size_t bucket_;
};

struct GradientSync::OnDevice {
  struct Marks {
    explicit Marks(at::DeviceType type)
        : ready(type, c10::EventFlag::PYTORCH_DEFAULT), begin(type, c10::EventFlag::BACKEND_DEFAULT), end(type, c10::EventFlag::BACKEND_DEFAULT) {}
    c10::Event ready, begin, end;
  };
  OnDevice(at::Device device, std::size_t buckets)
      : guard(device.type()), where(device), stream(guard.getStreamFromGlobalPool(device, /*isHighPriority=*/true)),
        backward_done(device.type(), c10::EventFlag::BACKEND_DEFAULT), summed(device.type(), c10::EventFlag::PYTORCH_DEFAULT) {
    for (std::size_t i = 0; i < buckets; ++i) marks.emplace_back(device.type());
    try {
      tally = at::empty({Tally::kValues}, at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
    } catch (const c10::Error&) {  // Page-locking has limits; pageable memory serves as well, slower.
      tally = at::empty({Tally::kValues}, at::TensorOptions().dtype(at::kFloat));
    }
  }
  /// Ending an event goes back to the device that was current before, and would make a context of half a gigabyte on it: on GPU 0, where
  /// the caller is no trainer.
  ~OnDevice() { guard.uncheckedSetDevice(where); }
  c10::Stream current() const { return guard.getStream(where); }

  const c10::impl::VirtualGuardImpl guard;
  const at::Device where;
  const c10::Stream stream; ///< Collectives run here, beside backward's stream.
  std::vector<Marks> marks; ///< By bucket.
  c10::Event backward_done, summed;
  at::Tensor tally;         ///< On the host.
};

ReduceLanes reduce_lanes_of(const TrainOptions& options) {
  if (!options.trace) return {};
  // On a GPU what the threads do is no more than giving orders: the phase `reduce` on the device's lane is what can be said of it.
  return {&options.trace->lane(trace_group(options), "all-reduce"), &options.trace->lane(trace_group(options), "trainer")};
}

void GradientSync::trace(TraceLane* lane, std::size_t bucket, SteadyClock::time_point begin, SteadyClock::time_point end) const {
  if (lane && !device_) lane->span("all-reduce", begin, end, TraceEvent::Of::bucket, bucket);
}

GradientSync::GradientSync(std::shared_ptr<Collective> ranks, FlatParameters& parameters, bool overlap, ReduceLanes lanes)
    : ranks_(std::move(ranks)), parameters_(parameters), lanes_(lanes), missing_(parameters.buckets().size()), stretches_(parameters.buckets().size()), complete_(parameters.buckets().size()) {
  const auto& buckets = parameters_.buckets();
  if (const at::Device where = parameters_.gradients().device(); !where.is_cpu()) device_ = std::make_unique<OnDevice>(where, buckets.size());
  if (!overlap || buckets.size() < 2) return;
  for (std::size_t b = 0; b < buckets.size(); ++b)
    for (const std::size_t i : buckets[b].tensors)
      torch::autograd::impl::set_post_acc_grad_hooks(parameters_.parameters()[i], std::make_unique<Hook>(*this, b));
  thread_ = std::thread([this] { work(); });
}

GradientSync::~GradientSync() {
  if (!thread_.joinable()) return;
  for (const at::Tensor& parameter : parameters_.parameters()) torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GradientSync::expect() {
  if (!thread_.joinable()) return;
  const auto& buckets = parameters_.buckets();
  for (std::size_t b = 0; b < buckets.size(); ++b) missing_[b].store(static_cast<int>(buckets[b].tensors.size()), std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    std::ranges::fill(complete_, 0);
    flush_ = false;
    armed_ = busy_ = true;
  }
  listening_.store(true, std::memory_order_release);
  changed_.notify_all();
}

void GradientSync::mark(std::size_t bucket) {
  if (!listening_.load(std::memory_order_acquire)) return;
  if (missing_[bucket].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  parameters_.take_gradients(bucket);
  if (device_) device_->marks[bucket].ready.record(device_->current());
  {
    std::lock_guard lock(mutex_);
    complete_[bucket] = 1;
  }
  changed_.notify_all();
}

/// The thread: of each step all buckets but the last.
void GradientSync::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return armed_ || quit_; });
    if (quit_) return;
    armed_ = false;
    for (std::size_t b = 0; b + 1 < parameters_.buckets().size() && !failure_; ++b) {
      changed_.wait(lock, [&] { return complete_[b] || flush_ || quit_; });
      if (quit_) return;
      lock.unlock();
      std::exception_ptr failure;
      stretches_[b].begin = SteadyClock::now();
      try {
        reduce(b);
      } catch (...) {
        failure = std::current_exception();
      }
      stretches_[b].end = SteadyClock::now();
      trace(lanes_.beside, b, stretches_[b].begin, stretches_[b].end);
      lock.lock();
      if (failure) failure_ = failure;
    }
    busy_ = false;
    changed_.notify_all();
  }
}

void GradientSync::reduce(std::size_t bucket) {
  at::NoGradGuard no_grad;
  nvtx_push("all-reduce");
  const struct Pop {
    ~Pop() { nvtx_pop(); }
  } pop;
  const at::Tensor values = parameters_.gradients_of(bucket);
  if (!device_) return ranks_->all_reduce_sum(values);
  auto& marks = device_->marks[bucket];
  const c10::StreamGuard guard(device_->stream);
  marks.ready.block(device_->stream);
  marks.begin.record(device_->stream);
  staging_.all_reduce_sum(*ranks_, values);
  marks.end.record(device_->stream);
}

/// Sends what backward has left incomplete, and waits until the thread rests.
void GradientSync::join_work() {
  listening_.store(false, std::memory_order_release);
  std::unique_lock lock(mutex_);
  if (device_)
    for (std::size_t b = 0; b < complete_.size(); ++b)
      if (!complete_[b]) device_->marks[b].ready.record(device_->current());
  flush_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !busy_; });
  if (failure_) std::rethrow_exception(failure_);
}

Tally GradientSync::finish(const Tally& mine, const at::Tensor& loss) {
  at::NoGradGuard no_grad;
  parameters_.take_gradients();
  const auto backward_done = SteadyClock::now();
  const std::size_t last = parameters_.buckets().size() - 1;
  if (device_) device_->backward_done.record(device_->current());
  if (thread_.joinable()) {
    join_work();
  } else {
    for (std::size_t b = 0; b < last; ++b) {
      if (device_) device_->marks[b].ready.record(device_->current());
      const auto began = SteadyClock::now();
      reduce(b);
      trace(lanes_.own, b, began, SteadyClock::now());
    }
  }
  const at::Tensor tail = parameters_.tail().narrow(0, 0, Tally::kValues);
  std::array<double, Tally::kValues> values = mine.values();
  if (!device_) {
    float* const lane = tail.data_ptr<float>();
    std::ranges::copy(values, lane);
    const auto began = SteadyClock::now();
    ranks_->all_reduce_sum(parameters_.gradients_and_tail(last));
    trace(lanes_.own, last, began, SteadyClock::now());
    std::ranges::copy(std::span(lane, Tally::kValues), values.begin());
    if (thread_.joinable())
      for (std::size_t b = 0; b < last; ++b)
        hidden_seconds_ += std::max(0.0, seconds_between(stretches_[b].begin, std::min(stretches_[b].end, backward_done)));
    return Tally::of(values);
  }
  float* const lane = device_->tally.data_ptr<float>();
  std::ranges::copy(values, lane);
  tail.copy_(device_->tally, /*non_blocking=*/true);
  if (loss.defined()) tail.select(0, Tally::kNonfinite).add_(loss, /*alpha=*/0); // Nothing, or NaN.
  auto& marks = device_->marks[last];
  const c10::Stream compute = device_->current();
  marks.ready.record(compute);
  {
    const c10::StreamGuard guard(device_->stream);
    marks.ready.block(device_->stream);
    staging_.all_reduce_sum(*ranks_, parameters_.gradients_and_tail(last));
    marks.end.record(device_->stream); // Behind every bucket, since all of them run on this stream.
  }
  marks.end.block(compute);
  device_->tally.copy_(tail, /*non_blocking=*/true);
  device_->summed.record(compute);
  wait_for_device(ranks_.get(), [&] { return device_->summed.query(); }); // Ranks decide together before they step.
  std::ranges::copy(std::span(lane, Tally::kValues), values.begin());
  if (thread_.joinable())
    for (std::size_t b = 0; b < last; ++b) {
      const auto& [ready, begin, end] = device_->marks[b];
      const double whole = begin.elapsedTime(end), before_end = begin.elapsedTime(device_->backward_done); // Milliseconds; may be negative.
      hidden_seconds_ += 1e-3 * std::clamp(before_end, 0.0, std::max(0.0, whole));
    }
  return Tally::of(values);
}

}  // namespace millrace::train
