#pragma once
#include "train/api.h"
#include "train/torch_headers.h"

namespace millrace::train {

/// What a trainer needs of the other ranks: sums and copies of tensors, beside World's small words. Calls are made by all ranks
/// in the same order and with equal sizes.
/// Memory:  dense float32 or float64 tensors, on the host (local, gloo) or on the rank's GPU (nccl, on the current stream, where the
///          call returns before the sum is there).
/// Threads: one caller at a time a rank; abort from any thread.
/// Errors:  Error(communication) that names the rank at fault, once a peer is gone, has aborted or has been silent for longer
///          than the time-out; every later call throws the same.
class Collective : public World {
 public:
  virtual bool on_gpu() const = 0;
  virtual void all_reduce_sum(at::Tensor values) = 0;       ///< In place; the same bits on every rank.
  virtual void broadcast(at::Tensor values, int root) = 0;  ///< In place.
  /// Asked by a rank that waits for its device, with how long it has waited (wait_for_device). Waits for nothing itself.
  /// Errors: as above; also what the network has reported meanwhile, and a device that has been waited for longer than the time-out.
  virtual void check(double waited_seconds) = 0;
  /// The values of every rank, by rank: into `all`, of size() x as many values.
  virtual void all_gather_into(at::Tensor all, const at::Tensor& values) {
    all.zero_(); // What a rank adds to is zero but for one rank's: exact.
    all.select(0, rank()).copy_(values);
    all_reduce_sum(all);
  }
  /// A second way between the same ranks, with an order of calls and a caller of its own: for sums within forward and backward
  /// (SyncBN) while gradients travel on the first. Null: there is none, and gradients are reduced after backward where it is needed.
  virtual std::shared_ptr<Collective> second() { return nullptr; }
};

/// The ranks that these options name, where there are several. Null: the only rank.
std::shared_ptr<Collective> collective_of(const TrainOptions& options);

}  // namespace millrace::train
