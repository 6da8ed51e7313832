#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiments/training.h"
#include "experiments/verdict.h"

namespace millrace {

/// One setting of the loader that was tried: everything together, in rounds.
struct Tried {
  int workers = 1, prefetch = 2;
  std::vector<double> rates;       ///< Images a second, one a round.
  std::uint64_t memory_bytes = 0;  ///< Of the loader, by forecast: slots, workspaces, threads, cache.
  double waited = 0;               ///< Share of the last window that the trainer waited.
  double predicted = 0;            ///< By the legs of one worker; 0: not asked.
  bool dropped = false;            ///< Far behind after some rounds, and not tried further.
  Reading rate() const { return Reading::of(rates); }
};

/// What was tried, and what is advised. Nothing is advised where `workers` is empty (after a stop).
struct Tuning {
  std::vector<Tried> workers;     ///< By number, at one prefetch depth,
  std::vector<Tried> prefetches;  ///< and by depth, with the number advised.
  std::size_t knee = 0, depth = 0;
  Rates one_worker;               ///< The legs that the candidates followed from.
  std::vector<std::string> left_out;  ///< What was not tried, and why.
  int ranks = 1, cores = 1;
  double batch = 0;  ///< Rows a step, of all ranks.
  double seconds = 0;
};

/// The least setting that is as good as the best: `tried` in order of cost; the first whose median is within `near` of the best. A worker
/// more takes a core, a slot more only memory.
inline constexpr double kNear = 0.02, kNearDepth = 0.01;
std::size_t knee_of(std::span<const Tried> tried, double near = kNear);

/// Numbers of workers a rank that are worth trying, in order: few, what the cores hold, and about what the trainer needs by the rates of one
/// worker. At most nine.
std::vector<int> worth_trying(const Rates& one_worker, int cores, int ranks);

/// The number of workers a rank by the rates of one worker alone: the least whose prediction is within kNear of the best.
int workers_by_rates(const Rates& one_worker, int cores, int ranks);

/// Tries numbers of workers, then depths, in rounds; of those alone that the bound of memory allows. Errors: those of what it assembles.
Tuning tune(const Spec& spec, SourceShelf& sources, const Context& context, double seconds);

/// Where the spec says loader.workers = "auto": measures one worker and the trainer for about a second, and writes the number into the spec.
/// Otherwise nothing happens. Of ranks in processes (`joined`) each measures, and all take the most that one found.
/// Errors: those of what it assembles.
void settle_workers(Spec& spec, SourceShelf& sources, const Context& context, const Ranks* joined = nullptr);

}  // namespace millrace
