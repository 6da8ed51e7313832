#include "experiments/tune.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "experiments/leg_bench.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr int kMostTried = 9, kMostWorkers = 256;
constexpr double kFarBehind = 0.85;        // Of the best: after some rounds no longer tried.
constexpr std::size_t kRoundsBeforeDrop = 2;
constexpr double kCacheWindows = 10;         // Filling a cache takes at most so many.
constexpr double kForWorkers = 0.7;        // Of the time; the rest is for depths.

/// What the trainer needs of workers, if each does as much as the one that was measured; no more than the cores can run.
int needed(const Rates& one, int ranks) {
  const double most = one.loader_cpu > 0 ? one.cores / one.loader_cpu : one.reduced;
  const double workers = std::ceil(std::min(one.reduced, most) / one.loader), allowed = std::min(kMostWorkers, kMaxThreads / std::max(1, ranks)) - 1;
  return static_cast<int>(std::clamp(workers, 1.0, std::max(1.0, allowed)));  // One more may be tried.
}

class Tuner {
 public:
  Tuner(const Spec& spec, SourceShelf& sources, const Context& context, double window_seconds)
      : context_(context), bench_(spec, sources, context, window_seconds) {}

  LegBench& bench() { return bench_; }
  bool over() const { return bench_.over(); }

  /// L of one worker and A: what predictions need.
  Rates rates_of_one() {
    bench_.load_resident();
    bench_.fill_cache(kCacheWindows * bench_.window_seconds());
    if (over()) return {};
    const Window reduced = bench_.step(true);
    LoaderOptions options = bench_.loader_options();
    options.workers = 1;
    LegLoader loader = bench_.loader(options);
    Pace pace;
    Books books;
    const Window loaded = bench_.load(*loader, pace, books);
    if (over()) return {};
    return {.loader = loaded.rate(),
            .transfer = std::numeric_limits<double>::infinity(),
            .compute = reduced.rate(),
            .reduced = reduced.rate(),
            .loader_cpu = loaded.cpu_an_image(),
            .reduced_cpu = reduced.cpu_an_image(),
            .cores = cores_there(context_.host),
            .workers = 1};
  }

  /// One window of everything with this setting.
  void attempt(Tried& tried) {
    LoaderOptions options = options_of(tried);
    options.first_batch = first_batch_;
    LegLoader loader = bench_.loader(options);
    // The pace is this setting's own: a window is counted in steps.
    Books books;
    const Window window = bench_.train(*loader, paces_[{tried.workers, tried.prefetch}], books);
    if (over()) return;
    tried.rates.push_back(window.rate());
    tried.waited = books.waited();
    first_batch_ += loader->report().batches_delivered / std::uint64_t(bench_.shape().local) + 1;
  }

  /// Rounds over the settings that fit the memory until `until` says that time is up, at least two settings; what is promising goes first.
  /// What was never tried goes into `left_out`.
  template <class Until>
  void compare(std::vector<Tried>& settings, Until&& until, std::vector<std::string>& left_out) {
    std::vector<Tried*> order;
    for (Tried& tried : settings) {
      tried.memory_bytes = bench_.forecast(tried.workers, tried.prefetch).total() - bench_.memory().forecast.beside;
      if (order.empty() || bench_.fits(tried.workers, tried.prefetch)) order.push_back(&tried);  // The first takes the least.
      else left_out.push_back(text_of(tried) + ": more than the bound of memory");
    }
    std::ranges::stable_sort(order, std::greater{}, [](const Tried* tried) { return tried->predicted; });
    double best = 0;
    bool first = true;
    std::size_t tries = 0;
    while (!over() && (first || !until())) {
      for (Tried* const tried : order) {
        if (tried->dropped || (tries >= 2 && until())) continue;
        ++tries;
        attempt(*tried);
        if (over()) return;
        context_.out.progress("tune: " + text_of(*tried) + ", " + grouped(tried->rates.back()) + " images/s");
      }
      first = false;
      for (const Tried* tried : order) best = std::max(best, tried->rate().median);
      for (Tried* tried : order)
        tried->dropped = tried->rates.size() >= kRoundsBeforeDrop && *std::ranges::max_element(tried->rates) < kFarBehind * best;
    }
    for (const Tried* tried : order)
      if (tried->rates.empty()) left_out.push_back(text_of(*tried) + ": no time was left");
    std::erase_if(settings, [](const Tried& tried) { return tried.rates.empty(); });
  }

 private:
  static std::string text_of(const Tried& tried) { return "workers " + std::to_string(tried.workers) + ", prefetch " + std::to_string(tried.prefetch); }
  LoaderOptions options_of(const Tried& tried) const {
    LoaderOptions options = bench_.loader_options();
    options.workers = tried.workers;
    options.prefetch = tried.prefetch;
    return options;
  }

  const Context& context_;
  LegBench bench_;
  std::map<std::pair<int, int>, Pace> paces_;
  std::uint64_t first_batch_ = 0;
};

}  // namespace

std::size_t knee_of(std::span<const Tried> tried, double near) {
  double best = 0;
  for (const Tried& t : tried) best = std::max(best, t.rate().median);
  const auto first = std::ranges::find_if(tried, [&](const Tried& t) { return t.rate().median >= (1 - near) * best; });
  return static_cast<std::size_t>(first - tried.begin());
}

std::vector<int> worth_trying(const Rates& one, int cores, int ranks) {
  const int here = std::max(1, cores / std::max(1, ranks)), need = needed(one, ranks);
  std::set<int> out{0, 1, 2, here};
  if (here > 1) out.insert(here - 1);
  for (const int w : {need - 1, need, need + 1}) out.insert(std::max(0, w));
  for (int w = 3; w < here && static_cast<int>(out.size()) < kMostTried; ++w) out.insert(w);
  std::vector<int> list(out.begin(), out.end());
  // The middle matters least where there are too many.
  while (static_cast<int>(list.size()) > kMostTried) list.erase(list.begin() + 3);
  return list;
}

int workers_by_rates(const Rates& one, int cores, int ranks) {
  const int most = std::max(needed(one, ranks) + 1, std::max(1, cores / std::max(1, ranks)));
  double best = 0;
  for (int w = 0; w <= most; ++w) best = std::max(best, predict(with_workers(one, w)));
  for (int w = 0; w <= most; ++w)
    if (predict(with_workers(one, w)) >= (1 - kNear) * best) return w;
  return most;
}

Tuning tune(const Spec& spec, SourceShelf& sources, const Context& context, double seconds) {
  const auto began = SteadyClock::now();
  const auto elapsed = [&] { return seconds_between(began, SteadyClock::now()); };
  Tuning out;
  Tuner tuner(spec, sources, context, std::clamp(seconds / 100, 0.1, 1.0));
  out.ranks = tuner.bench().shape().size;
  out.cores = context.host.cores;
  out.batch = tuner.bench().batch();
  out.one_worker = tuner.rates_of_one();
  if (tuner.over()) return out;
  const int prefetch = tuner.bench().loader_options().prefetch;  // The spec's, or what fits of it.
  for (const int workers : worth_trying(out.one_worker, out.cores, out.ranks))
    out.workers.push_back({.workers = workers, .prefetch = prefetch, .rates = {}, .predicted = predict(with_workers(out.one_worker, workers))});
  tuner.compare(out.workers, [&] { return elapsed() > kForWorkers * seconds; }, out.left_out);
  if (tuner.over()) return {};
  out.knee = knee_of(out.workers);
  const int workers = out.workers[out.knee].workers;
  if (workers > 0) {
    for (const int depth : {1, 2, 4, 8}) out.prefetches.push_back({.workers = workers, .prefetch = depth, .rates = {}});
    tuner.compare(out.prefetches, [&] { return elapsed() > seconds; }, out.left_out);
    if (tuner.over()) return {};
    out.depth = knee_of(out.prefetches, kNearDepth);
  }
  out.seconds = elapsed();
  return out;
}

namespace {

/// The number of workers for one rank's trainer and loader as `here` has them, with what it rests on. Errors: as tune's.
int settled(const Spec& here, SourceShelf& sources, const Context& context, int ranks_on_cores, std::string& because) {
  constexpr double kWindowSeconds = 0.3;
  Tuner tuner(here, sources, context, kWindowSeconds);
  const Rates one = tuner.rates_of_one();
  if (tuner.over()) return 1;
  const int ranks = std::max(ranks_on_cores, tuner.bench().shape().local);
  int workers = workers_by_rates(one, context.host.cores, ranks);
  while (workers > 1 && !tuner.bench().fits(workers, 1)) --workers;
  because = std::string(ranks > 1 ? " a rank" : "") + " (one loads " + significant(one.loader) + " images/s, the trainer takes " + significant(one.reduced) + ", " +
            significant(one.cores, 2) + " cores are free)";
  return workers;
}

}  // namespace

void settle_workers(Spec& spec, SourceShelf& sources, const Context& context, const Ranks* joined) {
  if (spec.loader.workers != kAutoWorkers) return;
  spec.loader.workers = 1;
  Spec here = spec;
  if (joined) {  // By itself: one rank with its share of the rows, of the cores and of the memory.
    const RankShape shape = joined->shape();
    here.data.batch = std::max<std::uint64_t>(1, global_batch(spec.data, shape) / static_cast<std::uint64_t>(shape.size));
    here.data.batch_unit = BatchUnit::global;
    here.train.ranks = 1;
    if (here.train.options.threads == 0) here.train.options.threads = std::max(1, context.host.cores / std::max(1, joined->on_cores));
    if (!joined->device.empty()) here.train.options.device = joined->device;
    here.loader.memory = memory_bound(spec.loader, joined->on_machine).bytes;
  }
  std::string because;
  try {
    spec.loader.workers = settled(here, sources, context, joined ? joined->on_cores : 1, because);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::usage) throw;
    because = ": " + std::string(e.what());  // What is measured needs more memory than training with one.
  }
  if (joined && !joined->worlds.empty())
    for (const std::string& found : joined->worlds[0]->all_gather(std::to_string(spec.loader.workers))) spec.loader.workers = std::max(spec.loader.workers, std::stoi(found));
  if (context.stop.stop_requested()) return;
  context.out.note("loader.workers = \"auto\": " + std::to_string(spec.loader.workers) + because);
}

}  // namespace millrace
