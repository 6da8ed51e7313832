#include "train/replicas.h"

#include <torch/csrc/autograd/autograd.h>

#include "pipeline/error.h"

namespace millrace::train {

struct Replicas::Replica {
  Replica(const TrainOptions& options, at::Device device) : net(make_net(options, device)), weights(net->parameters(), device), buffers(net->buffers(), device), where(device) {}
  std::shared_ptr<Net> net;
  FlatParameters weights;
  FlatBuffers buffers;
  at::Device where;
};

Replicas::Replicas(const TrainOptions& options, Net& first, FlatParameters& weights, FlatBuffers& buffers, at::Device where)
    : first_(first), weights_(weights), buffers_(buffers), where_(where), threads_a_replica_(at::get_num_threads()) {
  if (where.is_cuda() && (where.index() != 0 || options.replicas > cuda_devices()))
    throw Error(ErrorKind::device, "train.mode dp: " + std::to_string(options.replicas) + " replicas need as many GPUs, cuda:0 and up; this machine shows " +
                                       std::to_string(cuda_devices()),
                "lower train.ranks, or mode = \"ddp\", whose ranks can share a GPU");
  for (int r = 1; r < options.replicas; ++r)
    others_.push_back(std::make_unique<Replica>(options, where.is_cuda() ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(r)) : where));
  for (std::size_t r = 1; r <= others_.size(); ++r) threads_.emplace_back([this, r] { serve(r); });
}

Replicas::~Replicas() {
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Replicas::serve(std::size_t replica) {
  at::set_num_threads(threads_a_replica_);
  std::unique_lock lock(mutex_);
  for (std::uint64_t done = 0;;) {
    changed_.wait(lock, [&] { return quit_ || round_ != done; });
    if (quit_) return;
    done = round_;
    if (replica >= active_) continue; // No rows for this one.
    lock.unlock();
    std::exception_ptr failure;
    try {
      const c10::OptionalDeviceGuard guard(others_[replica - 1]->where);
      (*work_)(replica);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
    if (--running_ == 0) changed_.notify_all();
  }
}

void Replicas::everywhere(const std::function<void(std::size_t)>& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  failure_ = nullptr;
  active_ = images_.size();
  running_ = active_ - 1;
  ++round_;
  lock.unlock();
  changed_.notify_all();
  std::exception_ptr failure;
  try {
    work(0);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  changed_.wait(lock, [&] { return running_ == 0; });
  if (!failure) failure = failure_;
  if (failure) std::rethrow_exception(failure);
}

// Copies are made by the trainer's thread, whose current streams they order; a replica's own work is on its device's default stream.

void Replicas::copy_weights() {
  at::NoGradGuard no_grad;
  for (const auto& other : others_) {
    other->weights.weights().copy_(weights_.weights(), /*non_blocking=*/true);
    if (buffers_.flat().defined()) other->buffers.flat().copy_(buffers_.flat(), /*non_blocking=*/true);
    other->net->train(first_.is_training());
  }
}

void Replicas::scatter(const at::Tensor& images) {
  images_ = images.chunk(static_cast<std::int64_t>(others_.size()) + 1);
  for (std::size_t r = 1; r < images_.size(); ++r) images_[r] = images_[r].to(others_[r - 1]->where, /*non_blocking=*/true);
}

at::Tensor Replicas::gather(const Forward& forward) {
  scores_.assign(images_.size(), {});
  everywhere([&](std::size_t r) { scores_[r] = forward(r == 0 ? first_ : *others_[r - 1]->net, images_[r]); });
  std::vector<at::Tensor> here;
  for (const at::Tensor& scores : scores_) here.push_back(scores.detach().to(where_, /*non_blocking=*/true));
  return at::cat(here).set_requires_grad(true);
}

void Replicas::backward(const at::Tensor& scores_gradient) {
  std::vector<at::Tensor> gradients;
  std::int64_t row = 0;
  for (const at::Tensor& scores : scores_) {
    gradients.push_back(scores_gradient.narrow(0, row, scores.size(0)).to(scores.device(), /*non_blocking=*/true));
    row += scores.size(0);
  }
  everywhere([&](std::size_t r) {
    torch::autograd::backward({scores_[r]}, {gradients[r]});
    scores_[r].reset();
    (r == 0 ? weights_ : others_[r - 1]->weights).take_gradients();
  });
  images_.resize(1);
  images_[0].reset();
}

void Replicas::add_up() {
  at::NoGradGuard no_grad;
  for (std::size_t r = 1; r < scores_.size(); ++r) {
    FlatParameters& theirs = others_[r - 1]->weights;
    weights_.gradients().add_(theirs.gradients().to(where_, /*non_blocking=*/true));
    theirs.forget_gradients();
  }
}

}  // namespace millrace::train
