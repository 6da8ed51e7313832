#include "experiments/leg_bench.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "experiments/fault_file.h"
#include "experiments/loader_stats.h"
#include "experiments/phrases.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

constexpr std::uint64_t kResidentBytes = 256 << 20;  // Of a rank.
constexpr std::uint64_t kMostResident = 32, kFewResident = 4, kLeastResident = 3;  // A GPU's trainer holds two.
constexpr int kLoadingWorkers = 8;
constexpr double kSpreadSeconds = 0.02, kSpinSeconds = 0.04, kHandOverSeconds = 0.03;

bool wants_page_locked(const Spec& spec, const train::Api& api) {
  const std::string& device = spec.train.options.device;
  const bool cuda = device.starts_with("cuda") || (device == "auto" && !api.versions().gpu.empty());
  return spec.loader.slot_memory == MemoryKind::page_locked || (spec.loader.slot_memory == MemoryKind::automatic && cuda);
}

/// Of ranks that worked beside one another: their rates add up, and the CPU time is that of `cores` busy ones.
Window of_ranks(const std::vector<train::StepBenchmark>& ranks, double cores) {
  Window out{.seconds = ranks[0].seconds, .cpu_seconds = cores * ranks[0].seconds, .images = 0};
  for (const auto& rank : ranks) out.images += rank.images_per_second * out.seconds;
  return out;
}

}  // namespace

double cores_there(const Host& host) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < host.cores; ++i)
    threads.emplace_back([&done] {
      while (!done.load(std::memory_order_relaxed)) {
      }
    });
  // The kernel may start them all on one core, and takes a while to spread them.
  std::this_thread::sleep_for(std::chrono::duration<double>(kSpreadSeconds));
  const double cpu = process_cpu_seconds();
  const auto began = SteadyClock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(kSpinSeconds));
  const double cores = (process_cpu_seconds() - cpu) / seconds_between(began, SteadyClock::now());
  done = true;
  for (std::thread& thread : threads) thread.join();
  return std::min({cores, double(host.cores), host.cgroup_cores > 0 ? host.cgroup_cores : double(host.cores)});
}

std::uint64_t Pace::steps(double seconds) const {
  const double least = step_seconds > seconds ? 2 : 3;
  const double most = last_steps ? std::max(least, 4.0 * double(last_steps)) : 1e7;
  return static_cast<std::uint64_t>(std::clamp(std::round(seconds / step_seconds), least, most));
}

LegBench::LegBench(const Spec& spec, SourceShelf& sources, const Context& context, double window_seconds)
    : spec_(spec),
      context_(context),
      window_seconds_(window_seconds),
      source_(sources.train(spec.data)),
      api_(train::load()),
      ranks_(local_ranks(spec, api_)),
      shape_(ranks_.shape()),
      batch_(double(global_batch(spec.data, shape_))),
      recipe_(make_recipe(spec, source_.info(), false)),
      memory_(wants_page_locked(spec, api_) ? api_.page_locked_memory() : plain_slot_memory()),
      crew_(ranks_) {
  check_batch(spec, source_, shape_);
  if (shape_.size > 1) alone_.resize(crew_.trainers.size());
  crew_.run([&](std::size_t r) {
    train::TrainOptions options = rank_options(spec_, source_, recipe_->format(), ranks_, r, context_.host);
    crew_.trainers[r] = api_.make_trainer(options);
    options.world = nullptr;
    if (!alone_.empty()) alone_[r] = api_.make_trainer(options);
  });
  for (std::size_t r = 0; r < crew_.trainers.size(); ++r) watched_.emplace_back(context.forensics, *crew_.trainers[r], shape_.first + int(r));
  options_ = millrace::loader_options(spec_, shape_);
  options_.drop_last = true;
  options_.memory = &memory_;
  // Resident batches: as many as are of use, and no more than a quarter of the bound while that leaves a few.
  const MemoryBound bound = memory_bound(spec.loader);
  const auto local = std::uint64_t(shape_.local), bytes = std::uint64_t(std::ceil(batch_ / shape_.size)) * recipe_->format().bytes();
  const std::uint64_t least = local * kFewResident * bytes <= bound.bytes / 4 ? kFewResident : kLeastResident;
  resident_batches_ = int(std::clamp(std::min(kResidentBytes, bound.bytes / 4 / local) / bytes, least, kMostResident));
  const std::uint64_t resident = local * std::uint64_t(resident_batches_) * bytes;
  // A cache would take all that is left: a quarter of the bound is for more workers than the spec's, which may be tried.
  const bool cached = spec.loader.cache != CacheKind::none;
  const LoaderOptions wanted = options_;
  try {
    fitted_ = fit_memory(spec, source_, *recipe_, options_, {bound.bytes - (cached ? bound.bytes / 4 : 0), bound.reason}, resident);
  } catch (const Error&) {
    if (!cached) throw;
    fitted_ = fit_memory(spec, source_, *recipe_, options_ = wanted, bound, resident);
  }
  fitted_.bound = bound;
}

void LegBench::load_resident() {
  LoaderOptions options = loader_options();
  options.workers = std::max(kLoadingWorkers, 2 * context_.host.cores) / shape_.local + 1;  // Some may wait for a slow disk.
  while (options.workers > 1 && !fits(options.workers, 1)) --options.workers;
  options.prefetch = resident_batches_;  // All are leased at once: these are the bytes that were set aside.
  options.batches = std::uint64_t(resident_batches_);
  options.extra_us_per_image = 0;
  LegLoader leg = loader(options);
  resident_.resize(std::size_t(shape_.local));
  for (std::size_t r = 0; r < resident_.size(); ++r) {
    while (auto batch = leg->stream(int(r)).next()) resident_[r].push_back(std::move(*batch));
    if (over()) return;
    if (std::ranges::all_of(resident_[r], [](const Batch& batch) { return batch.rows() == 0; })) refuse_empty("the first " + counted(resident_[r].size(), "batch"), leg->report());
    rings_.emplace_back(resident_[r]);
    Replay half(resident_[r], std::max(1, resident_[r].front().rows() / 2));
    auto& halves = halves_.emplace_back();
    while (auto batch = half.try_next()) halves.push_back(std::move(*batch));
  }
}

void LegBench::fill_cache(double seconds) {
  if (!fitted_.cache) return;
  const auto began = SteadyClock::now();
  LoaderOptions options = loader_options();
  options.batches = source_.size() / options.batch;
  options.workers = std::max(1, options.workers);
  options.extra_us_per_image = 0;
  LegLoader leg = loader(options);
  crew_.run([&](std::size_t r) {
    while (seconds_between(began, SteadyClock::now()) < seconds && leg->stream(int(r)).next()) {
    }
    leg->request_stop();  // The others may wait for what this one no longer takes.
  });
}

Window LegBench::bench_steps(std::vector<std::unique_ptr<train::Trainer>>& trainers, std::vector<std::vector<Batch>>& batches) {
  std::vector<train::StepBenchmark> ranks(trainers.size());
  const double cpu = process_cpu_seconds();
  const auto began = SteadyClock::now();
  crew_.run([&](std::size_t r) { ranks[r] = trainers[r]->bench_step(batches[r], window_seconds_, context_.stop); });
  return of_ranks(ranks, (process_cpu_seconds() - cpu) / seconds_between(began, SteadyClock::now()));
}

Window LegBench::step(bool with_ranks) { return bench_steps(with_ranks || alone_.empty() ? crew_.trainers : alone_, resident_); }
Window LegBench::half_step() { return bench_steps(alone_.empty() ? crew_.trainers : alone_, halves_); }

std::optional<Window> LegBench::step_of_more_ranks() {
  if (trainer().device().starts_with("cuda") || mode_of(spec_.train) == Mode::dp) return {};
  const Ranks ranks{.worlds = api_.local_worlds(shape_.size + 1, spec_.train.peer_timeout)};
  Crew crew(ranks);
  std::vector<train::StepBenchmark> results(crew.trainers.size());
  const auto step = [&](std::size_t r) {
    results[r] = crew.trainers[r]->bench_step(resident_[r % resident_.size()], window_seconds_, context_.stop);
  };
  crew.threads.run([&](std::size_t r) { crew.trainers[r] = api_.make_trainer(rank_options(spec_, source_, recipe_->format(), ranks, r, context_.host)); });
  const double cpu = process_cpu_seconds();
  const auto began = SteadyClock::now();
  crew.threads.run(step);
  return of_ranks(results, (process_cpu_seconds() - cpu) / seconds_between(began, SteadyClock::now()));
}

double LegBench::half_rows() const {
  return std::accumulate(halves_.begin(), halves_.end(), 0.0, [](double sum, const auto& of_rank) { return sum + of_rank.front().rows(); });
}

Window LegBench::hand_over() {
  std::vector<train::StepBenchmark> ranks(crew_.trainers.size());
  crew_.run([&](std::size_t r) { ranks[r] = crew_.trainers[r]->bench_upload(rings_[r], kHandOverSeconds, context_.stop); });
  return of_ranks(ranks, 0);
}

/// `run(steps)` makes every rank take that many batches.
template <class Run>
Window LegBench::timed(std::uint64_t steps, Run&& run) {
  const double cpu = process_cpu_seconds();
  const auto began = SteadyClock::now();
  run(steps);
  return {.seconds = seconds_between(began, SteadyClock::now()), .cpu_seconds = process_cpu_seconds() - cpu, .images = double(steps) * batch_};
}

template <class Run, class Begin>
Window LegBench::window(Pace& pace, Run&& run, Begin&& begin) {
  // The first time, steps are counted until they fill a part of a window; that is its warm-up.
  for (std::uint64_t steps = 2; pace.step_seconds == 0 && !over(); steps *= 2) {
    const double seconds = timed(steps, run).seconds;
    if (seconds > window_seconds_ / 4) pace = {seconds / double(steps), steps};
  }
  if (over()) return {};
  const std::uint64_t steps = pace.steps(window_seconds_);
  begin();
  Window out;
  std::uint64_t taken = 0;
  do {
    const Window part = timed(steps, run);
    out.seconds += part.seconds;
    out.cpu_seconds += part.cpu_seconds;
    out.images += part.images;
    taken += steps;
  } while (out.seconds < 0.75 * window_seconds_ && !over());
  pace = {out.seconds / double(taken), taken};
  return out;
}

void LegBench::train_steps(const std::vector<BatchStream*>& streams, std::uint64_t steps, std::vector<train::EpochResult>& sums) {
  crew_.run([&](std::size_t r) {
    train::EpochResult& sum = sums[r];
    for (std::uint64_t left = steps; left > 0;) {
      const train::EpochResult part = crew_.trainers[r]->train_epoch(*streams[r], context_.stop, {}, left);
      sum.phases += part.phases;
      sum.wall_seconds += part.wall_seconds;
      sum.unaccounted_seconds += part.unaccounted_seconds;
      if (part.steps == 0 || part.stop_requested) break;  // What all ranks say: none waits for one that left.
      left -= part.steps;
    }
  });
}

Window LegBench::replay(Pace& pace) {
  std::vector<BatchStream*> streams;
  for (Replay& ring : rings_) streams.push_back(&ring);
  std::vector<train::EpochResult> sums(streams.size());
  const auto run = [&](std::uint64_t steps) { train_steps(streams, steps, sums); };
  run(1);
  return window(pace, run, [] {});
}

Window LegBench::load(Loader& loader, Pace& pace, Books& books) {
  const auto take = [&](std::uint64_t steps) {
    crew_.run([&](std::size_t r) {
      for (std::uint64_t i = 0; i < steps; ++i) {
        const auto batch = loader.stream(int(r)).next();
        if (!batch) return;
        read_pages(*batch);
      }
    });
  };
  take(pace.step_seconds > window_seconds_ ? 1 : 2);
  loader.forget_slowest();
  LoaderReport before;
  Window out = window(pace, take, [&] { before = loader.report(); });
  books.loader = difference(loader.report(), before);
  out.images *= delivered_share(books.loader, batch_ / shape_.size);
  return out;
}

Window LegBench::train(Loader& loader, Pace& pace, Books& books) {
  std::vector<BatchStream*> streams;
  for (int r = 0; r < shape_.local; ++r) streams.push_back(&loader.stream(r));
  std::vector<train::EpochResult> sums(streams.size());
  train_steps(streams, pace.step_seconds > window_seconds_ ? 1 : 2, sums);
  LoaderReport before;
  const auto run = [&](std::uint64_t steps) { train_steps(streams, steps, sums); };
  Window out = window(pace, run, [&] {
    before = loader.report();
    std::ranges::fill(sums, train::EpochResult());
  });
  books.loader = difference(loader.report(), before);
  out.images *= delivered_share(books.loader, batch_ / shape_.size);
  books.everything = *std::ranges::max_element(sums, {}, [](const train::EpochResult& e) { return e.phases.wait / std::max(1e-12, e.wall_seconds); });
  return out;
}

Window LegBench::load_range(const LoaderOptions& options) {
  std::vector<double> images(std::size_t(shape_.local));
  Window out = timed(0, [&](std::uint64_t) {
    LegLoader leg = loader(options);
    crew_.run([&](std::size_t r) {
      while (auto batch = leg->stream(int(r)).next()) images[r] += batch->rows();
    });
  });
  out.images = std::accumulate(images.begin(), images.end(), 0.0);
  return out;
}

}  // namespace millrace
