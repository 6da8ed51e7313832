#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/api.h"
#include "train/meter.h"
#include "train/tally.h"

namespace millrace::train {

/// What one step is, and where: the trainer's loop (trainer.cpp) drives it and knows no more of it than this.
/// Batches go in by `upload` and are used in that order by `compute` or `score`. A step is one `compute` or several, then `conclude`.
/// Where there are several ranks, all make the same calls of begin and conclude.
/// Threads: the trainer's; `enter` first on each call from outside.
/// Errors:  Error(device), Error(communication).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::uint64_t parameters() const = 0;
  virtual std::string device() const = 0;
  virtual double learning_rate() const { return 0; }      ///< The base rate, scaled for the batch.
  virtual double last_learning_rate() const { return 0; } ///< The last step's.
  virtual Meter& meter() = 0;
  virtual void enter() = 0;
  virtual void synchronize() = 0;               ///< Waits for all work.

  virtual bool uploads_ahead() const = 0;       ///< Whether a second batch may be uploaded during a step.
  virtual void upload(Batch batch) = 0;         ///< Takes a batch of at least one row; returns it when done with it.
  virtual void settle_uploads() = 0;            ///< Waits for copies under way, so that their slots are home.
  virtual void forget_upload() = 0;             ///< The batch uploaded first will not be used; its copy may still be under way.

  virtual void begin(bool training) = 0;        ///< Chooses the mode and clears loss and counts.
  /// Forward and backward on the batch uploaded first, adding to the gradients; `last`: of this step.
  virtual void compute(bool last) = 0;
  /// The same on no rows, where other ranks wait for this one within forward (SyncBN); otherwise nothing.
  virtual void compute_nothing(bool last) = 0;
  virtual bool waits_in_forward() const = 0;
  /// Adds up gradients and tallies over the ranks and, if nothing speaks against it (Tally::steps), updates the weights.
  virtual Tally conclude(Tally mine) = 0;
  virtual bool was_nonfinite() const = 0;       ///< Whether this rank's part of the concluded step was.
  virtual double take_reduce_hidden_seconds() = 0;
  virtual std::uint64_t take_graph_steps() { return 0; } ///< Steps run as a captured graph, since the last call.
  virtual void score() = 0;                     ///< Adds up its loss and the rows of each class that are right.
  virtual void ask_for_loss() = 0;              ///< Of the sum over rows so far; waits for nothing.
  virtual double seen_loss() const = 0;         ///< What was asked for last and has come. Not finite: some loss of this epoch was not.
  virtual double loss() = 0;                    ///< The sum over rows.
  virtual std::vector<std::uint64_t> class_correct() = 0;
  virtual double weights_norm() = 0;
  virtual bool one_row_is_too_few() { return false; }

  virtual void save(TrainerState& into, bool own_only) = 0;
  virtual void load(const TrainerState& from) = 0;

  virtual void hold(std::span<Batch> resident) = 0; ///< Batches for compute_held, on the device until `hold({})`.
  virtual void compute_held(std::size_t index, bool last) = 0; ///< `compute` on one of them.
};

/// The lanes of one rank. Trainers write into "trainer", what a GPU does goes into "device", all-reduce beside backward into "all-reduce".
inline std::string trace_group(const TrainOptions& options) { return "rank " + std::to_string(options.world ? options.world->rank() : 0); }
/// Has the phases traced that the meter books, where options ask for a trace.
inline void trace_phases(Meter& meter, const TrainOptions& options, bool device_has_its_own_time) {
  if (!options.trace) return;
  TraceLane& host = options.trace->lane(trace_group(options), "trainer");
  meter.trace_on(host, device_has_its_own_time ? options.trace->lane(trace_group(options), "device") : host);
}

std::unique_ptr<Engine> make_torch_engine(const TrainOptions& options);
std::unique_ptr<Engine> make_sleep_engine(const TrainOptions& options);

/// The one loop over any engine, for one rank or for each of several.
class EngineTrainer final : public Trainer {
 public:
  EngineTrainer(std::unique_ptr<Engine> engine, const TrainOptions& options);
  std::uint64_t parameters() const override { return engine_->parameters(); }
  std::string device() const override { return engine_->device(); }
  double learning_rate() const override { return engine_->learning_rate(); }
  EpochResult train_epoch(BatchStream& stream, std::stop_token stop, const std::function<void(const Progress&)>& on_progress,
                          std::uint64_t max_steps, PartBegin begin) override;
  bool one_row_is_too_few() override { return engine_->enter(), engine_->one_row_is_too_few(); }
  Evaluation evaluate(BatchStream& stream, std::stop_token stop) override;
  Doing doing() const override;
  void save(TrainerState& into, bool own_only) override;
  void load(const TrainerState& from) override { engine_->enter(), engine_->load(from); }
  StepBenchmark bench_step(std::span<Batch> resident, double seconds, std::stop_token stop) override;
  StepBenchmark bench_upload(BatchStream& stream, double seconds, std::stop_token stop) override;
  Engine& engine() const { return *engine_; }

 private:
  struct Taken;
  struct Epoch;
  void check_labels(const Batch& batch) const; ///< Errors: Error(data).
  Taken describe(const Batch& batch) const;
  bool take(BatchStream& stream, bool wait, Taken& into);
  void gather_batches(Epoch& epoch, Tally& mine);
  void take_ahead(Epoch& epoch);
  void end_where_needed(const Epoch& epoch, const Tally& all);
  void check_loss(const Epoch& epoch, double sum) const;
  void exchange(EpochResult& result) const;
  void add_up(Evaluation& result) const;
  bool alone() const { return !world_; }
  /// Runs `work`; an error of this rank alone ends the others' waiting too.
  template <class Work>
  auto together(Work&& work) {
    bool agreed = false; // Whether the other ranks throw the same, by themselves.
    try {
      return work(agreed);
    } catch (const std::exception& e) {
      if (world_ && !agreed) world_->abort("rank " + std::to_string(world_->rank()) + ": " + e.what());
      throw;
    }
  }

  std::unique_ptr<Engine> engine_;
  const int classes_, accumulate_;
  const bool stop_at_nonfinite_;
  TraceLane* const lane_;              ///< Null: nothing is traced.
  const std::shared_ptr<World> world_; ///< Null: the only rank.
};

}  // namespace millrace::train
