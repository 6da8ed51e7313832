#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "experiments/checkpoint.h"
#include "pipeline/error.h"

namespace millrace {

struct CheckpointerOptions {
  std::string folder;                                ///< <out>/checkpoints
  int keep = 2;
  Durable::Before before_call;                       ///< Tests interrupt system calls here.
  std::function<void(const std::string&)> warn;      ///< A write that failed; called by whoever calls take or finish.
};

/// Writes a run's checkpoints on a thread of its own: a trainer is held up for a copy of its state, not for the disk.
/// A write that fails is a warning, and the next one tries again; the checkpoints before it stay. What failed last is an error
/// at the end.
/// Threads: one caller. Owns: one copy of the state, the thread.
class Checkpointer {
 public:
  explicit Checkpointer(CheckpointerOptions options);
  ~Checkpointer();  ///< Waits for a write under way.
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// Makes the copy's memory, so that the first checkpoint holds nobody up for it.
  void prepare(train::Trainer& trainer) { trainer.save(copy_); }
  /// Copies the state and has it written; waits for the write before it, should that still be under way.
  /// `by_rank`: own_as_bytes of each of several ranks.
  void take(train::Trainer& trainer, std::uint64_t step, Json state, std::vector<std::string> by_rank = {});
  /// Waits until all is written. Errors: Error(data) where the last one could not be.
  void finish();
  /// Seconds that writes took which have ended since the last call.
  double write_seconds();

 private:
  void write_all(std::stop_token stop);
  void wait();
  void tell();

  const CheckpointerOptions options_;
  train::TrainerState copy_;
  std::vector<std::string> by_rank_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<CheckpointContents> pending_;  ///< Under way until it is empty again.
  std::optional<Error> failure_;
  bool told_ = false;
  double write_seconds_ = 0;
  std::jthread thread_;
};

}  // namespace millrace
