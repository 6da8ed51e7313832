#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/clock.h"
#include "pipeline/trace.h"
#include "train/local_collective.h"
#include "train/optimizer.h"
#include "train/tally.h"

namespace millrace::train {

/// Where each bucket's all-reduce is traced: by the thread beside backward, and by the trainer's own. Null: nowhere.
struct ReduceLanes {
  TraceLane *beside = nullptr, *own = nullptr;
};
ReduceLanes reduce_lanes_of(const TrainOptions& options);

/// Adds up the gradients of all ranks, bucket after bucket, while backward still runs. Hooks behind each parameter's gradient count;
/// that of a bucket's last one takes its gradients and marks it. A thread of this rank (on a GPU with a stream of its own) reduces the marked buckets strictly in order. The last bucket
/// carries the tally and is reduced by the trainer's own thread, so that a model of one bucket never changes threads. Gradients that a
/// backward did not touch are sent as they are: as zeros.
/// A step is: expect(), backward, finish(); without a backward on a rank that has nothing to add.
/// Threads: the trainer's; hooks may run on autograd's.
/// Errors:  Error(communication), from finish().
class GradientSync {
 public:
  /// `overlap` false: everything is reduced by finish(). `parameters` must outlive this.
  GradientSync(std::shared_ptr<Collective> ranks, FlatParameters& parameters, bool overlap, ReduceLanes lanes = {});
  ~GradientSync();
  GradientSync(const GradientSync&) = delete;
  GradientSync& operator=(const GradientSync&) = delete;

  void expect();                                                  ///< The next backward's gradients are to be reduced.
  /// Reduces what is left. `loss`, where defined, is a scalar on the device: mine.nonfinite is whether it is not finite.
  Tally finish(const Tally& mine, const at::Tensor& loss = {});
  /// Seconds of all-reduce that lay beside backward, since the last call; waiting for slower ranks is part of them.
  double take_hidden_seconds() { return std::exchange(hidden_seconds_, 0.0); }

 private:
  struct Hook;
  struct OnDevice; ///< Stream and events, on a GPU.
  struct Stretch {
    SteadyClock::time_point begin, end;
  };
  void mark(std::size_t bucket);
  void work();
  void reduce(std::size_t bucket);
  void trace(TraceLane* lane, std::size_t bucket, SteadyClock::time_point begin, SteadyClock::time_point end) const;
  void join_work();

  const std::shared_ptr<Collective> ranks_;
  FlatParameters& parameters_;
  const ReduceLanes lanes_;
  std::vector<std::atomic<int>> missing_;      ///< Gradients that a bucket still waits for.
  std::vector<Stretch> stretches_;             ///< When each bucket was reduced by the thread, in this step.
  std::unique_ptr<OnDevice> device_;
  Staging staging_;                            ///< The thread's, and the trainer's while that rests.
  double hidden_seconds_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<char> complete_;                 ///< From here on under the mutex.
  bool armed_ = false, flush_ = false, busy_ = false, quit_ = false;
  std::exception_ptr failure_;
  std::atomic<bool> listening_{false};         ///< Whether hooks count: only between expect() and finish().
  std::thread thread_;
};

}  // namespace millrace::train
