#include "experiments/checkpointer.h"

#include <nlohmann/json.hpp>

#include "pipeline/clock.h"
#include "pipeline/error.h"

namespace millrace {

Checkpointer::Checkpointer(CheckpointerOptions options)
    : options_(std::move(options)), thread_([this](std::stop_token stop) { write_all(std::move(stop)); }) {}

Checkpointer::~Checkpointer() { wait(); }

void Checkpointer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !pending_; });
}

void Checkpointer::tell() {
  std::string text;
  {
    std::lock_guard lock(mutex_);
    if (!failure_ || told_) return;
    told_ = true;
    text = failure_->what();
  }
  if (options_.warn) options_.warn("a checkpoint could not be written: " + text + "; those before it stay, training goes on");
}

void Checkpointer::take(train::Trainer& trainer, std::uint64_t step, Json state, std::vector<std::string> by_rank) {
  wait();
  tell();
  trainer.save(copy_);
  by_rank_ = std::move(by_rank);
  auto ranks = tensors_of_ranks(by_rank_);
  {
    std::lock_guard lock(mutex_);
    pending_ = CheckpointContents{step, std::move(state), &copy_, std::move(ranks)};
  }
  changed_.notify_all();
}

void Checkpointer::finish() {
  wait();
  std::lock_guard lock(mutex_);
  if (failure_) throw Error(failure_->kind(), std::string("the last checkpoint could not be written: ") + failure_->what(), failure_->hint());
}

double Checkpointer::write_seconds() {
  std::lock_guard lock(mutex_);
  return std::exchange(write_seconds_, 0);
}

void Checkpointer::write_all(std::stop_token stop) {
  const Durable durable(options_.before_call);
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return pending_.has_value(); })) {
    lock.unlock();
    const auto began = SteadyClock::now();
    std::optional<Error> failure;
    try {
      write_checkpoint(options_.folder, *pending_, durable);
      thin_out(options_.folder, pending_->step, options_.keep, durable);
    } catch (const Error& e) {
      failure = e;
    } catch (const std::exception& e) {
      failure = Error(ErrorKind::internal, e.what());
    }
    const double seconds = seconds_between(began, SteadyClock::now());
    lock.lock();
    failure_ = std::move(failure);
    told_ = false;
    write_seconds_ += seconds;
    pending_.reset();
    changed_.notify_all();
  }
}

}  // namespace millrace
