#pragma once
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "experiments/evaluation.h"
#include "experiments/kept_memory.h"
#include "experiments/memory.h"
#include "experiments/replay.h"
#include "experiments/training.h"

namespace millrace {

/// CPU seconds that this process gets of a second when it asks for every core: what other processes leave to it. Takes 60 ms.
double cores_there(const Host& host);

/// What was measured in one stretch of time, of all ranks.
struct Window {
  double seconds = 0, cpu_seconds = 0, images = 0;
  double rate() const { return images / seconds; }
  double cpu_an_image() const { return cpu_seconds / images; }
};

/// What a step took so far, which says how many make a window. Of a leg that is measured again and again.
struct Pace {
  double step_seconds = 0;
  std::uint64_t last_steps = 0;
  /// At most four times as many as the last time: a full queue hands a few over in no time, and says nothing of the next thousand.
  std::uint64_t steps(double seconds) const;
};

/// What the books of a window say.
struct Books {
  LoaderReport loader;            ///< Of the window alone, but for `slowest`.
  train::EpochResult everything;  ///< The sums of the rank that waited longest.
  double waited() const { return everything.phases.wait / everything.wall_seconds; }
};

/// A loader of a bench: watched, and stopped with it.
/// Threads: as Loader.
class LegLoader {
 public:
  LegLoader(const Source& source, const Recipe& recipe, const LoaderOptions& options, const Context& context, double watchdog_seconds)
      : loader_(source, recipe, options), watched_(context.forensics, loader_, "loader", watchdog_seconds), stopper_(context.stop, loader_) {}
  Loader& operator*() { return loader_; }
  Loader* operator->() { return &loader_; }

 private:
  Loader loader_;
  Forensics::Watched watched_;
  StopLoader stopper_;
};

/// The trainers of a spec, alone and with their ranks, and windows of what they can do: legs are made of these.
/// All of it keeps to the bound of the loader's memory (memory.h), and reads through the cache that the spec asks for.
/// Threads: one caller. Errors: those of what it assembles. After a stop windows are empty or short: ask over().
class LegBench {
 public:
  /// `window_seconds`: how long one is meant to be. Errors: fit_memory's, where not even the shortest queue fits beside the resident batches.
  LegBench(const Spec& spec, SourceShelf& sources, const Context& context, double window_seconds);
  bool over() const { return context_.stop.stop_requested(); }

  /// Loads batches that stay, for the three legs below. Once, first.
  void load_resident();
  /// Fills the spec's cache, where there is one, with what a first epoch would; for at most so long.
  void fill_cache(double seconds);
  const SampleCache* cache() const { return fitted_.cache ? &fitted_.cache->cache() : nullptr; }
  int resident_batches() const { return resident_batches_; }

  /// Steps on resident batches: with the other ranks, or each rank by itself; of half the rows.
  Window step(bool with_ranks);
  Window half_step();
  /// Steps of one rank more, as rank threads on this host's cores, each on as many rows as now. Nothing where ranks have devices of their own,
  /// or where replicas share one batch (train.mode = "dp"). Its trainers live for this call alone.
  std::optional<Window> step_of_more_ranks();
  /// Batches handed over and given back.
  Window hand_over();
  /// Training on replayed batches.
  Window replay(Pace& pace);

  /// [loader] of the spec on this bench: whole batches, memory that is kept, no more of it than fits.
  const LoaderOptions& loader_options() const { return options_; }
  /// What a loader with so many workers and batches in waiting takes, by forecast, with the cache and the resident batches.
  MemoryForecast forecast(int workers, int prefetch) const { return fitted_.forecast.with(workers, prefetch, shape_.local); }
  bool fits(int workers, int prefetch) const { return forecast(workers, prefetch).total() <= fitted_.bound.bytes; }
  const FittedMemory& memory() const { return fitted_; }
  LegLoader loader(const LoaderOptions& options) { return {fitted_.source(source_), *recipe_, options, context_, spec_.loader.watchdog_seconds}; }
  /// A consumer that only touches pages takes batches from the loader; then trainers do. Each after a warm-up of its own.
  Window load(Loader& loader, Pace& pace, Books& books);
  Window train(Loader& loader, Pace& pace, Books& books);
  /// A whole range of batches, from the making of its loader to the last of them.
  Window load_range(const LoaderOptions& options);

  const Source& source() const { return source_; }
  const train::Trainer& trainer() const { return *crew_.trainers[0]; }
  const RankShape& shape() const { return shape_; }
  double batch() const { return batch_; }  ///< Rows a step, of all ranks.
  double half_rows() const;                ///< Rows a half step, of all ranks.
  double window_seconds() const { return window_seconds_; }

 private:
  template <class Run>
  Window timed(std::uint64_t steps, Run&& run);
  /// Whole runs of some steps until they fill most of a window; `begin` is called before the first that counts.
  template <class Run, class Begin>
  Window window(Pace& pace, Run&& run, Begin&& begin);
  Window bench_steps(std::vector<std::unique_ptr<train::Trainer>>& trainers, std::vector<std::vector<Batch>>& batches);
  void train_steps(const std::vector<BatchStream*>& streams, std::uint64_t steps, std::vector<train::EpochResult>& sums);

  const Spec& spec_;
  const Context& context_;
  const double window_seconds_;
  const Source& source_;
  const train::Api& api_;
  const Ranks ranks_;
  const RankShape shape_;
  const double batch_;
  const std::unique_ptr<Recipe> recipe_;
  KeptMemory memory_;
  int resident_batches_ = 0;
  LoaderOptions options_;
  FittedMemory fitted_;
  std::vector<std::vector<Batch>> resident_, halves_;  // By local rank.
  std::vector<Replay> rings_;
  Crew crew_;
  std::vector<std::unique_ptr<train::Trainer>> alone_;  // Without the other ranks; empty where there are none.
  std::list<Forensics::Watched> watched_;
};

}  // namespace millrace
