#include "experiments/tune.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include "experiments/leg_bench.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr int kMostTried = 9, kMostWorkers = 256;
constexpr double kFarBehind = 0.85;        // Of the best: after some rounds no longer tried.
constexpr std::size_t kRoundsBeforeDrop = 2;
constexpr double kCacheWindows = 10;       // Filling a cache takes at most so many.
constexpr double kForWorkers = 0.7;        // Of the time; the rest is for depths.
constexpr std::size_t kLeastReadings = 2;  // One says nothing of its spread.
constexpr double kStepsAnAttempt = 3;      // Where a step is longer than a window: a warm-up, and a window of two.

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
    step_seconds_ = bench_.batch() / std::min(loaded.rate(), reduced.rate());
    return {.loader = loaded.rate(),
            .transfer = std::numeric_limits<double>::infinity(),
            .compute = reduced.rate(),
            .reduced = reduced.rate(),
            .loader_cpu = loaded.cpu_an_image(),
            .reduced_cpu = reduced.cpu_an_image(),
            .cores = cores_there(context_.host),
            .workers = 1};
  }

  /// Rounds over the settings that fit the memory until `until` seconds have passed since the beginning: first those that can be read twice by
  /// then (`least` of them in any case), the most promising first. What was not tried goes into `left_out`.
  void compare(std::vector<Tried>& settings, double until, std::size_t least, std::vector<std::string>& left_out) {
    std::vector<Tried*> order = in_order(settings, left_out);
    keep_affordable(order, until, least, left_out);
    for (std::size_t round = 1; !over(); ++round) {
      bool any = false;
      for (std::size_t i = 0; i < order.size() && !over(); ++i) {
        const bool owed = round < kLeastReadings && i < least;
        if (order[i]->dropped || (!owed && elapsed() + attempt_seconds(*order[i]) > until)) continue;
        attempt(*order[i], until);
        any = true;
      }
      if (!any) break;
      double best = 0;
      for (const Tried* tried : order) best = std::max(best, tried->rate().median);
      for (Tried* tried : order)
        tried->dropped = tried->rates.size() >= kRoundsBeforeDrop && *std::ranges::max_element(tried->rates) < kFarBehind * best;
    }
    std::erase_if(settings, [](const Tried& tried) { return tried.rates.empty(); });
  }

  /// Two settings read twice: the least that can tell them apart. Says so where it takes longer than was asked for.
  void announce(double seconds) {
    const double needs = elapsed() + 2 * kLeastReadings * attempt_seconds({});
    if (needs <= seconds) return;
    context_.out.note("a step takes " + significant(step_seconds_, 3) + " s: reading two settings twice needs about " + fixed(needs, 0) + " s, more than the " +
                      significant(seconds, 3) + " s asked for; a smaller data.batch makes it shorter");
  }

  double elapsed() const { return seconds_between(began_, SteadyClock::now()); }

 private:
  /// Reads each setting once for which there is time to read it again, and the others too. One alone is compared with nothing.
  void keep_affordable(std::vector<Tried*>& order, double until, std::size_t least, std::vector<std::string>& left_out) {
    double owed = 0;  // For the second readings of those before.
    const auto time_for = [&](const Tried& tried, double settings) { return elapsed() + owed + settings * kLeastReadings * attempt_seconds(tried) <= until; };
    std::vector<Tried*> kept;
    for (Tried* const tried : order) {
      const double needed = least == 0 && kept.empty() ? 2 : 1;
      if (over()) break;
      if (kept.size() >= least && !time_for(*tried, needed)) {
        left_out.push_back(text_of(*tried) + ": no time was left");
        continue;
      }
      attempt(*tried, until);
      owed += attempt_seconds(*tried);
      kept.push_back(tried);
    }
    order = std::move(kept);
  }

  /// One window of everything with this setting.
  void attempt(Tried& tried, double until) {
    const double began = elapsed();
    LoaderOptions options = options_of(tried);
    options.first_batch = first_batch_;
    LegLoader loader = bench_.loader(options);
    // The pace is this setting's own: a window is counted in steps. Long steps are not counted first.
    Pace& pace = paces_[{tried.workers, tried.prefetch}];
    if (pace.step_seconds == 0 && step_seconds_ > bench_.window_seconds()) pace = {step_seconds_, 2};
    Books books;
    const Window window = bench_.train(*loader, pace, books);
    if (over()) return;
    tried.rates.push_back(window.rate());
    tried.waited = books.waited();
    tried.seconds = std::max(tried.seconds, elapsed() - began);
    first_batch_ += loader->report().batches_delivered / std::uint64_t(bench_.shape().local) + 1;
    context_.out.progress("tune: " + text_of(tried) + ", " + grouped(window.rate()) + " images/s, " + fixed(elapsed(), 0) + " of " + fixed(until, 0) + " s");
  }

  /// What trying it once takes: as it took before, or a warm-up and a window.
  double attempt_seconds(const Tried& tried) const {
    return tried.seconds > 0 ? tried.seconds : std::max(1.6 * bench_.window_seconds(), kStepsAnAttempt * step_seconds_);
  }

  /// The settings that fit the memory: the one that the spec has first, since the others are compared with it, then by what was predicted.
  std::vector<Tried*> in_order(std::vector<Tried>& settings, std::vector<std::string>& left_out) {
    std::vector<Tried*> order;
    for (Tried& tried : settings) {
      tried.memory_bytes = bench_.forecast(tried.workers, tried.prefetch).total() - bench_.memory().forecast.beside;
      if (order.empty() || bench_.fits(tried.workers, tried.prefetch)) order.push_back(&tried);  // The first takes the least.
      else left_out.push_back(text_of(tried) + ": more than the bound of memory");
    }
    std::ranges::stable_sort(order, std::greater{}, [](const Tried* tried) { return std::pair(tried->kept, tried->predicted); });
    return order;
  }

  static std::string text_of(const Tried& tried) { return "workers " + std::to_string(tried.workers) + ", prefetch " + std::to_string(tried.prefetch); }
  LoaderOptions options_of(const Tried& tried) const {
    LoaderOptions options = bench_.loader_options();
    options.workers = tried.workers;
    options.prefetch = tried.prefetch;
    return options;
  }

  const Context& context_;
  const SteadyClock::time_point began_ = SteadyClock::now();
  LegBench bench_;
  double step_seconds_ = 0;  // Of everything with one worker, by its legs.
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

bool differ(const Tried& a, const Tried& b) {
  const double n = double(a.rates.size()), m = double(b.rates.size());
  if (n < 2 || m < 2) return false;
  const auto mean = [](const Tried& t) { return std::accumulate(t.rates.begin(), t.rates.end(), 0.0) / double(t.rates.size()); };
  const double x = mean(a), y = mean(b), least = kLeastSpread * (x + y) / 2;
  double squares = 0;
  for (const double rate : a.rates) squares += (rate - x) * (rate - x);
  for (const double rate : b.rates) squares += (rate - y) * (rate - y);
  const double freedom = n + m - 2, deviation = std::max(std::sqrt(squares / freedom), least);
  const double t = 1.96 + 2.4 / freedom + 4.6 / (freedom * freedom);  // Within 3 % of the table of Student's t from two degrees of freedom on.
  return std::abs(x - y) > t * deviation * std::sqrt(1 / n + 1 / m);
}

Choice choose(std::span<const Tried> tried, double near, bool cheaper) {
  const auto best = std::ranges::max_element(tried, {}, [](const Tried& t) { return t.rate().median; });
  const std::size_t knee = knee_of(tried, near), kept = std::size_t(std::ranges::find_if(tried, &Tried::kept) - tried.begin());
  if (kept == tried.size()) return {knee, true};  // It does not fit the memory.
  const Tried &mine = tried[kept], &other = tried[knee];
  const bool slower = mine.rate().median < (1 - near) * best->rate().median && differ(mine, *best);
  const bool read_twice = std::min({mine.rates.size(), other.rates.size(), best->rates.size()}) > 1;
  if (slower || (cheaper && knee < kept && read_twice)) return {knee, true};
  return {kept, false};
}

std::vector<int> worth_trying(const Rates& one, int cores, int ranks, int kept) {
  const int here = std::max(1, cores / std::max(1, ranks)), need = needed(one, ranks);
  std::set<int> out{0, 1, 2, here, kept};
  if (here > 1) out.insert(here - 1);
  for (const int w : {need - 1, need, need + 1}) out.insert(std::max(0, w));
  for (int w = 3; w < here && static_cast<int>(out.size()) < kMostTried; ++w) out.insert(w);
  std::vector<int> list(out.begin(), out.end());
  // The middle matters least where there are too many.
  while (static_cast<int>(list.size()) > kMostTried) list.erase(list.begin() + (list[3] == kept ? 4 : 3));
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
  Tuning out;
  Tuner tuner(spec, sources, context, std::clamp(seconds / 100, 0.1, 1.0));
  out.ranks = tuner.bench().shape().size;
  out.cores = context.host.cores;
  out.batch = tuner.bench().batch();
  out.one_worker = tuner.rates_of_one();
  if (tuner.over()) return out;
  tuner.announce(seconds);
  const int prefetch = tuner.bench().loader_options().prefetch;  // The spec's, or what fits of it.
  for (const int workers : worth_trying(out.one_worker, out.cores, out.ranks, spec.loader.workers))
    out.workers.push_back({.workers = workers,
                           .prefetch = prefetch,
                           .rates = {},
                           .predicted = predict(with_workers(out.one_worker, workers)),
                           .kept = workers == spec.loader.workers});
  tuner.compare(out.workers, kForWorkers * seconds, 2, out.left_out);
  if (tuner.over()) return {};
  out.knee = choose(out.workers, kNear, true);
  const int workers = out.workers[out.knee.at].workers;
  if (workers > 0) {
    std::set<int> depths{1, 2, 4, 8};
    depths.insert(prefetch);
    for (const int depth : depths) out.prefetches.push_back({.workers = workers, .prefetch = depth, .rates = {}, .kept = depth == prefetch});
    tuner.compare(out.prefetches, seconds, 0, out.left_out);
    if (tuner.over()) return {};
    if (!out.prefetches.empty()) out.depth = choose(out.prefetches, kNearDepth, false);
  }
  out.seconds = tuner.elapsed();
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
