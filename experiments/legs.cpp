// One round runs C, A, T and X on batches in memory, then makes a loader and runs L and E on it, one after the other, so that its
// pipeline is full when E begins. What runs between legs (a loader that fills its slots) would count as another leg's work: a loader
// goes as soon as its legs are over.
#include "experiments/legs.h"

#include <algorithm>
#include <array>

#include "experiments/leg_bench.h"
#include "experiments/loader_stats.h"
#include "experiments/page_cache.h"

namespace millrace {
namespace {

constexpr double kRounds = 12, kLegs = 6;  // What a window's length is planned for.
constexpr std::size_t kHalfSteps = 4, kColdRounds = 4, kMoreRanksRounds = 2;
constexpr double kStepsARound = 16;  // Where a step is longer than a window: the fewest that all legs of a first round take.
constexpr int kEnoughRounds = 6;
constexpr double kForCache = 0.25;  // Of the time, at most.

class Profiler {
 public:
  Profiler(const Spec& spec, SourceShelf& sources, const Context& context, const LegOptions& options)
      : spec_(spec),
        context_(context),
        began_(SteadyClock::now()),
        options_(options),
        bench_(spec, sources, context, std::clamp(options.seconds / (kRounds * kLegs), 0.1, 2.0)) {
    bench_.load_resident();
    context.out.note(bench_.memory().text());
    if (!bench_.memory().note.empty()) context.out.warning(bench_.memory().note);
    bench_.fill_cache(kForCache * options.seconds);
    describe();
  }

  bool over() const { return bench_.over(); }
  bool time_for_another() const { return elapsed() + 1.1 * round_seconds_ < options_.seconds; }
  bool narrow() const {
    if (out_.rounds < kEnoughRounds) return false;
    return std::ranges::all_of(std::array{&loader_, &compute_, &reduced_, &everything_, &replayed_},
                               [&](const auto* leg) { return Reading::of(*leg).width() <= options_.interval; });
  }

  void round() {
    const double began = elapsed();
    leg("C and A");
    there_.push_back(cores_there(context_.host));
    steps();
    if (over()) return;
    leg("T and X");
    transfer_.push_back(bench_.hand_over().rate());
    replayed_.push_back(bench_.replay(pace_x_).rate());
    if (over()) return;
    leg("L and E");
    loader_legs();
    if (over()) return;
    if (out_.readings.no_cold.empty() && cold_.size() < kColdRounds && elapsed() < 0.8 * options_.seconds) cold_leg();
    if (over()) return;
    if (more_ranks_.size() < kMoreRanksRounds && time_for_more_ranks()) more_ranks();
    if (over()) return;
    ++out_.rounds;
    round_seconds_ = elapsed() - began;
    context_.out.progress("profile: round " + std::to_string(out_.rounds) + ", " + fixed(elapsed(), 0) + " of at most " + fixed(options_.seconds, 0) + " s, " +
                          grouped(everything_.back()) + " images/s");
  }

  LegsMeasured result() {
    LegReadings& r = out_.readings;
    r.loader = Reading::of(loader_);
    r.compute = Reading::of(compute_);
    r.transfer = Reading::of(transfer_);
    r.reduced = Reading::of(reduced_);
    r.everything = Reading::of(everything_);
    r.replayed = Reading::of(replayed_);
    r.loader_cpu = Reading::of(loader_cpu_);
    r.reduced_cpu = Reading::of(reduced_cpu_);
    r.cores_there = Reading::of(there_);
    r.half_step = Reading::of(half_step_);
    r.more_ranks = Reading::of(more_ranks_);
    r.more_ranks_cpu = Reading::of(more_ranks_cpu_);
    r.read_share = Reading::of(read_share_);
    r.decode_share = Reading::of(decode_share_);
    r.cores_busy = Reading::of(busy_);
    r.waited = Reading::of(waited_);
    r.cold = Reading::of(cold_);
    r.warm = Reading::of(warm_);
    if (cold_.empty() && r.no_cold.empty()) r.no_cold = "no time was left for it";
    out_.seconds = elapsed();
    std::ranges::sort(out_.slowest, [](const SlowOrigin& a, const SlowOrigin& b) { return a.sample.seconds > b.sample.seconds; });
    if (out_.slowest.size() > StageClocks::kSlowest) out_.slowest.resize(StageClocks::kSlowest);
    for (SlowOrigin& slow : out_.slowest) slow.origin = bench_.source().origin(slow.sample.id);
    return std::move(out_);
  }

 private:
  double elapsed() const { return seconds_between(began_, SteadyClock::now()); }
  void leg(const char* letters) {
    context_.out.progress("profile: legs " + std::string(letters) + ", round " + std::to_string(out_.rounds + 1) + ", " + fixed(elapsed(), 0) + " of " +
                          fixed(options_.seconds, 0) + " s");
  }
  double step_seconds() const { return bench_.batch() / std::min(compute_.back(), reduced_.back()); }

  /// A round that has begun is finished: where one alone takes longer than all should, that is said before the rest of it runs.
  void announce() {
    const double needs = elapsed() + (kStepsARound - 2) * step_seconds();
    if (out_.rounds > 0 || needs <= options_.seconds) return;
    context_.out.note("a step takes " + significant(step_seconds(), 3) + " s: one round of the legs needs about " + fixed(needs, 0) + " s, more than the " +
                      significant(options_.seconds, 3) + " s asked for; a smaller data.batch makes it shorter");
  }
  /// With everything that a round has left to do.
  bool time_for_more_ranks() const {
    const double ranks = bench_.shape().size;
    return elapsed() + std::max(2 * bench_.window_seconds(), 3 * step_seconds() * (ranks + 1) / ranks) < options_.seconds;
  }
  void more_ranks() {
    const std::optional<Window> more = bench_.step_of_more_ranks();
    if (!more || over()) return;
    more_ranks_.push_back(more->rate());
    more_ranks_cpu_.push_back(more->cpu_an_image());
  }

  void describe() {
    const Source& source = bench_.source();
    out_.device = bench_.trainer().device();
    out_.parameters = bench_.trainer().parameters();
    out_.data = source.info().name + ", " + grouped(double(source.size())) + " images";
    out_.window_seconds = bench_.window_seconds();
    out_.resident_batches = bench_.resident_batches();
    out_.set_bytes = bytes_in_files(source);
    LegReadings& r = out_.readings;
    r.workers = spec_.loader.workers;
    r.ranks = bench_.shape().size;
    r.cores = context_.host.cores;
    r.batch = bench_.batch();
    r.transfers = out_.device.starts_with("cuda");
    if (out_.set_bytes == 0) r.no_cold = "the set lies in memory";
    if (const SampleCache* cache = bench_.cache())
      r.no_cold = "samples are kept in memory: " + grouped(double(cache->count())) + " of " + grouped(double(source.size()));
    const std::uint64_t cache = cache_bytes_there();
    r.cold_is_usual = cache && out_.set_bytes > cache;
  }

  /// C and A, and in the first rounds C on half the rows.
  void steps() {
    const Window alone = bench_.step(false);
    if (over()) return;
    const Window reduced = bench_.shape().size > 1 ? bench_.step(true) : alone;
    if (over()) return;
    compute_.push_back(alone.rate());
    reduced_.push_back(reduced.rate());
    reduced_cpu_.push_back(reduced.cpu_an_image());
    announce();
    if (half_step_.size() >= kHalfSteps || bench_.batch() < 2 * bench_.shape().size) return;
    const Window half = bench_.half_step();
    if (!over()) half_step_.push_back(bench_.half_rows() / half.rate());
  }

  void loader_legs() {
    LoaderOptions options = bench_.loader_options();
    options.first_batch = next_batch_;
    LegLoader loader = bench_.loader(options);
    out_.loader_bytes = loader->bytes();
    Books alone, together;
    const Window l = bench_.load(*loader, pace_l_, alone);
    if (over()) return;
    const Window e = bench_.train(*loader, pace_e_, together);
    if (over()) return;
    loader_.push_back(l.rate());
    loader_cpu_.push_back(l.cpu_an_image());
    everything_.push_back(e.rate());
    busy_.push_back(e.cpu_seconds / e.seconds);
    keep(alone.loader);
    keep(together);
    const LoaderReport report = loader->report();
    for (const SlowSample& slow : report.slowest) out_.slowest.push_back({{}, slow});
    next_batch_ += report.batches_delivered / std::uint64_t(bench_.shape().local) + 1;
  }
  void keep(const LoaderReport& alone) {
    add_window(out_.loader, alone);
    const auto busy = [&](Stage stage) { return alone.stages[std::size_t(stage)].stats.busy_seconds; };
    const double all = busy_seconds(alone);
    if (all <= 0) return;
    read_share_.push_back(busy(Stage::read) / all);
    decode_share_.push_back((busy(Stage::decode) - busy(Stage::read)) / all);
  }
  void keep(const Books& together) {
    add_window(out_.everything, together.loader);
    waited_.push_back(together.waited());
    out_.phases += together.everything.phases;
    out_.wall_seconds += together.everything.wall_seconds;
    out_.unaccounted_seconds += together.everything.unaccounted_seconds;
  }

  /// The same batches out of a cold page cache and out of a warm one, each on a loader of its own, from its start to its last batch.
  void cold_leg() {
    LoaderOptions options = bench_.loader_options();
    const std::uint64_t epoch = bench_.source().size() / options.batch;
    options.batches = std::clamp<std::uint64_t>(std::uint64_t(bench_.window_seconds() / pace_l_.step_seconds), 1, epoch);
    options.first_batch = (next_batch_ + epoch - 1) / epoch * epoch;  // From an epoch's start: each file is read once.
    const std::optional<double> left = drop_from_cache(files_of(bench_.source(), ids_of(options)));
    if (left && *left > 0.5) {
      out_.readings.no_cold = "the file system keeps " + fixed(100 * *left, 0) + " % of the pages when asked to drop them";
      return;
    }
    const Window cold = bench_.load_range(options);
    if (over()) return;
    const Window warm = bench_.load_range(options);
    if (over()) return;
    cold_.push_back(cold.rate());
    warm_.push_back(warm.rate());
  }
  std::vector<std::uint64_t> ids_of(const LoaderOptions& options) const {
    Plan plan({bench_.source().size(), options.batch, options.world_size, options.sampler, options.drop_last, options.seed});
    std::vector<PlannedRow> rows(plan.max_rank_rows());
    std::vector<std::uint64_t> ids;
    for (std::uint64_t b = 0; b < *options.batches; ++b)
      for (int rank = 0; rank < options.world_size; ++rank)
        for (const PlannedRow& row : plan.rows_of(options.first_batch + b, rank, rows)) ids.push_back(row.id);
    return ids;
  }

  const Spec& spec_;
  const Context& context_;
  const SteadyClock::time_point began_;
  const LegOptions options_;
  LegBench bench_;
  LegsMeasured out_;
  Pace pace_x_, pace_l_, pace_e_;
  std::uint64_t next_batch_ = 0;
  double round_seconds_ = 0;
  std::vector<double> loader_, compute_, transfer_, reduced_, everything_, replayed_, loader_cpu_, reduced_cpu_, there_, half_step_, more_ranks_, more_ranks_cpu_, read_share_,
      decode_share_, busy_, waited_, cold_, warm_;
};

}  // namespace

LegsMeasured measure_legs(const Spec& spec, SourceShelf& sources, const Context& context, const LegOptions& options) {
  Profiler profiler(spec, sources, context, options);
  bool narrow = false;
  do {
    if (profiler.over()) break;
    profiler.round();
    narrow = profiler.narrow();
  } while (!narrow && !profiler.over() && profiler.time_for_another());
  LegsMeasured out = profiler.result();
  out.narrow = narrow;
  return out;
}

}  // namespace millrace
