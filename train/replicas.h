#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "train/device.h"
#include "train/net.h"
#include "train/optimizer.h"

namespace millrace::train {

/// Data parallel in one process, as torch's DataParallel: each step copies the weights to every replica, deals the rows of the batch
/// out in stretches (as Tensor.chunk), gathers the scores on the first replica, where the loss is, and adds the gradients up there. The first
/// replica is the trainer's own net; running statistics are its own, those of the others are forgotten.
/// Replicas lie on the CPU, or on cuda:0 to cuda:n-1; each has a thread, the first the trainer's.
/// Threads: the trainer's.
/// Errors:  Error(device) for more replicas than GPUs; what a replica throws is thrown again by the call it was in.
class Replicas {
 public:
  using Forward = std::function<at::Tensor(Net&, const at::Tensor& images)>;
  Replicas(const TrainOptions& options, Net& first, FlatParameters& weights, FlatBuffers& buffers, at::Device where);
  ~Replicas();
  Replicas(const Replicas&) = delete;
  Replicas& operator=(const Replicas&) = delete;

  void copy_weights();
  void scatter(const at::Tensor& images);
  at::Tensor gather(const Forward& forward);        ///< Scores of all rows on the first replica: a leaf that wants a gradient.
  void backward(const at::Tensor& scores_gradient);
  void add_up();                                    ///< The others' gradients to the first's, in order; theirs are forgotten.

 private:
  struct Replica;
  void everywhere(const std::function<void(std::size_t)>& work); ///< On the replicas that have rows, at once.
  void serve(std::size_t replica);

  Net& first_;
  FlatParameters& weights_;
  FlatBuffers& buffers_;
  const at::Device where_;
  const int threads_a_replica_;
  std::vector<std::unique_ptr<Replica>> others_;   ///< Replica i + 1.
  std::vector<at::Tensor> images_, scores_;        ///< By replica; as many as have rows.

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(std::size_t)>* work_ = nullptr; ///< From here on under the mutex.
  std::uint64_t round_ = 0;
  std::size_t active_ = 0, running_ = 0;
  bool quit_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::train
