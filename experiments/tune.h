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
  bool kept = false;               ///< What the spec has.
  double seconds = 0;              ///< The longest that trying it once took.
  Reading rate() const { return Reading::of(rates); }
};

/// Whether the rates of two settings differ by more than their spread explains: Student's t at 95 %. One reading has no spread, so nothing
/// differs from it. Spreads below kLeastSpread of the mean are taken as that: rounds that follow one another agree better than runs do.
inline constexpr double kLeastSpread = 0.005;
bool differ(const Tried& a, const Tried& b);

/// Which setting to take, and whether the readings say so.
struct Choice {
  std::size_t at = 0;  ///< Index into what was tried.
  bool found = false;  ///< False: no difference was found that speaks against the setting that the spec has.
};


/// What was tried, and what is advised. Nothing is advised where `workers` is empty (after a stop).
struct Tuning {
  std::vector<Tried> workers;     ///< By number, at one prefetch depth,
  std::vector<Tried> prefetches;  ///< and by depth, with the number advised.
  Choice knee, depth;
  Rates one_worker;                   ///< The legs that the candidates followed from.
  std::vector<std::string> left_out;  ///< What was not tried, and why.
  int ranks = 1, cores = 1;
  double batch = 0;  ///< Rows a step, of all ranks.
  double seconds = 0;
};

/// The least setting that is as good as the best: `tried` in order of cost; the first whose median is within `near` of the best. A worker
/// more takes a core, a slot more only memory.
inline constexpr double kNear = 0.02, kNearDepth = 0.01;
std::size_t knee_of(std::span<const Tried> tried, double near = kNear);

/// What to advise someone whose spec has the setting marked as kept: that one, unless another is faster by more than `near` and than the spread
/// explains; then the knee. Where a `cheaper` setting is welcome for itself, also the knee if it is cheaper, within `near`, and was read twice.
/// The knee as well where no setting is kept.
Choice choose(std::span<const Tried> tried, double near, bool cheaper);

/// Numbers of workers a rank that are worth trying, in order: few, what the cores hold, and about what the trainer needs by the rates of one
/// worker. At most nine, and among them what the spec has.
std::vector<int> worth_trying(const Rates& one_worker, int cores, int ranks, int kept = 1);

/// The number of workers a rank by the rates of one worker alone: the least whose prediction is within kNear of the best.
int workers_by_rates(const Rates& one_worker, int cores, int ranks);

/// Tries numbers of workers, then depths, in rounds; of those alone that the bound of memory allows, and as many as can be read twice in
/// `seconds`. Two numbers of workers are read twice in any case: where that takes longer, it is said before. Errors: those of what it assembles.
Tuning tune(const Spec& spec, SourceShelf& sources, const Context& context, double seconds);

/// Where the spec says loader.workers = "auto": measures one worker and the trainer for about a second, and writes the number into the spec.
/// Otherwise nothing happens. Of ranks in processes (`joined`) each measures, and all take the most that one found.
/// Errors: those of what it assembles.
void settle_workers(Spec& spec, SourceShelf& sources, const Context& context, const Ranks* joined = nullptr);

}  // namespace millrace
