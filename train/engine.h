#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/api.h"
#include "train/meter.h"

namespace millrace::train {

/// What one step is, and where: the trainer's loop (trainer.cpp) drives it and knows no more of it than this.
/// Batches go in by `upload` and are used in that order by `step` or `score`.
/// Threads: the trainer's; `enter` first on each call from outside.
/// Errors:  Error(device).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::uint64_t parameters() const = 0;
  virtual std::string device() const = 0;
  virtual Meter& meter() = 0;
  virtual void enter() = 0;
  virtual void synchronize() = 0;               ///< Waits for all work.

  virtual bool uploads_ahead() const = 0;       ///< Whether a second batch may be uploaded during a step.
  virtual void upload(Batch batch) = 0;         ///< Takes a batch of at least one row; returns it when done with it.
  virtual void settle_uploads() = 0;            ///< Waits for copies under way, so that their slots are home.

  virtual void begin(bool training) = 0;        ///< Chooses the mode and clears loss and counts.
  virtual void step() = 0;                      ///< Trains on the batch uploaded first.
  virtual void score() = 0;                     ///< Adds up its loss and the rows of each class that are right.
  virtual double glance_at_loss() = 0;          ///< The sum over rows at about the last glance; waits for nothing.
  virtual double loss() = 0;                    ///< The sum over rows.
  virtual std::vector<std::uint64_t> class_correct() = 0;
  virtual double weights_norm() = 0;

  virtual void hold(std::span<Batch> resident) = 0; ///< Batches for step_on, on the device until `hold({})`.
  virtual void step_on(std::size_t index) = 0;
};

std::unique_ptr<Engine> make_torch_engine(const TrainOptions& options);
std::unique_ptr<Engine> make_sleep_engine(const TrainOptions& options);

/// The one loop over any engine.
class EngineTrainer final : public Trainer {
 public:
  EngineTrainer(std::unique_ptr<Engine> engine, int classes) : engine_(std::move(engine)), classes_(classes) {}
  std::uint64_t parameters() const override { return engine_->parameters(); }
  std::string device() const override { return engine_->device(); }
  EpochResult train_epoch(BatchStream& stream, std::stop_token stop, const std::function<void(const Progress&)>& on_progress,
                          std::uint64_t max_steps) override;
  Evaluation evaluate(BatchStream& stream, std::stop_token stop) override;
  StepBenchmark bench_step(std::span<Batch> resident, double seconds, std::stop_token stop) override;
  Engine& engine() const { return *engine_; }

 private:
  struct Taken;
  Taken describe(const Batch& batch) const;
  bool take(BatchStream& stream, bool wait, Taken& into);

  std::unique_ptr<Engine> engine_;
  const int classes_;
};

}  // namespace millrace::train
