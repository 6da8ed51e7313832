// millrace bench loader|step: throughput of the loader without a trainer, and of the trainer without a loader.
#include <algorithm>
#include <cstdio>
#include <optional>

#include <nlohmann/json.hpp>

#include "experiments/commands.h"
#include "experiments/fault_file.h"
#include "experiments/loader_stats.h"
#include "experiments/memory.h"
#include "experiments/opened.h"
#include "experiments/resident.h"
#include "experiments/tune.h"
#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "pipeline/graph_cost.h"
#include "train/load.h"

namespace millrace {
namespace {

constexpr double kWarmUpSeconds = 1.2;
constexpr std::uint64_t kWarmUpBatches = 6;
constexpr std::size_t kResidentBatches = 32;
constexpr double kGraphSeconds = 0.2;

/// Clocks and counts at one moment.
struct Mark {
  SteadyClock::time_point time = SteadyClock::now();
  double cpu = process_cpu_seconds();
  LoaderReport report;
  explicit Mark(const Loader& loader) : report(loader.report()) {}
};

struct LoaderBench {
  std::uint64_t images = 0, batches = 0, loader_bytes = 0;
  double seconds = 0, first_batch_seconds = 0, cpu_seconds = 0, warm_up_seconds = 0;
  GraphCost graph;           ///< Measured after the window, on a graph of its own,
  double clock_seconds = 0;  ///< and one entry in a stage's clock.
  std::string digest;
  LoaderReport window;
  std::uint64_t bad_samples = 0;  ///< Since the loader was made.
};

/// The clocks' part of the CPU time of the window.
double clocks_share(const LoaderBench& b) {
  std::uint64_t entries = 0;
  for (const auto& of : b.window.stages) entries += of.stats.messages;
  return b.cpu_seconds > 0 ? double(entries) * b.clock_seconds / b.cpu_seconds : 0;
}

void close_window(LoaderBench& out, const Mark& from, const Mark& to) {
  out.seconds = seconds_between(from.time, to.time);
  out.cpu_seconds = to.cpu - from.cpu;
  out.window = difference(to.report, from.report);
}

LoaderBench run_window(const Source& source, const Recipe& recipe, LoaderOptions options, double seconds, FaultFile& faults,
                       ResidentCurve& resident, double watchdog_seconds, const Context& context) {
  LoaderBench out;
  options.drop_last = true;
  const auto made = SteadyClock::now();
  Loader loader(source, recipe, options);
  const Forensics::Watched watched(context.forensics, loader, "loader", watchdog_seconds);
  const FaultWatch watch(loader, faults, options.faults.action, context.out);
  std::stop_callback stopper(context.stop, [&] { loader.request_stop(); });
  std::optional<Mark> from;
  std::uint64_t seen = 0, delivered = 0;
  while (auto batch = loader.stream().next()) {
    read_pages(*batch);
    resident.at(delivered += static_cast<std::uint64_t>(batch->rows()));
    const auto now = SteadyClock::now();
    if (seen++ == 0) out.first_batch_seconds = seconds_between(made, now);
    if (!from) {
      out.warm_up_seconds = seconds_between(made, now);
      if (out.warm_up_seconds >= kWarmUpSeconds && seen >= kWarmUpBatches) from.emplace(loader);
      continue;
    }
    out.images += static_cast<std::uint64_t>(batch->rows());
    ++out.batches;
    context.out.progress("bench loader: " + grouped(double(out.images) / seconds_between(from->time, now)) + " images/s");
    if (seconds_between(from->time, now) < seconds) continue;
    close_window(out, *from, Mark(loader));
    break;
  }
  out.bad_samples = loader.report().bad_samples;
  if (!out.images && !context.stop.stop_requested()) refuse_empty("bench loader", loader.report());
  out.loader_bytes = loader.bytes();
  return out;
}

LoaderBench run_epochs(const Source& source, const Recipe& recipe, LoaderOptions options, std::uint64_t epochs, FaultFile& faults,
                       ResidentCurve& resident, double watchdog_seconds, const Context& context) {
  LoaderBench out;
  Digest digest(Digest::Of::pixels);
  options.batches = epochs * steps_per_epoch(source.size(), options.batch, options.drop_last);
  const auto made = SteadyClock::now();
  Loader loader(source, recipe, options);
  const Forensics::Watched watched(context.forensics, loader, "loader", watchdog_seconds);
  const FaultWatch watch(loader, faults, options.faults.action, context.out);
  std::stop_callback stopper(context.stop, [&] { loader.request_stop(); });
  Mark from(loader);
  from.report = {};  // Workers are at it already, and all that is delivered counts.
  from.time = made;
  while (auto batch = loader.stream().next()) {
    if (out.batches++ == 0) out.first_batch_seconds = seconds_between(made, SteadyClock::now());
    digest.add(*batch);
    out.images += static_cast<std::uint64_t>(batch->rows());
    resident.at(out.images);
    context.out.progress("bench loader: " + grouped(double(out.images)) + " images");
  }
  close_window(out, from, Mark(loader));
  out.bad_samples = loader.report().bad_samples;
  if (!out.images && !context.stop.stop_requested()) refuse_empty("bench loader", loader.report());
  out.loader_bytes = loader.bytes();
  out.digest = digest.text();
  return out;
}

Json to_json(const LoaderBench& b, const Spec& spec, const SpecArguments& arguments, const FittedMemory& memory, const ResidentCurve& resident,
             const Context& context) {
  Json out;
  out["images_per_second"] = double(b.images) / b.seconds;
  out["first_batch_seconds"] = b.first_batch_seconds;
  out["cpu_seconds_per_1000_images"] = b.cpu_seconds / double(b.images) * 1000;
  out["peak_rss_bytes"] = peak_rss_bytes();
  out["loader_bytes"] = b.loader_bytes;
  out["batches"] = b.batches;
  if (!b.digest.empty()) out["digest"] = b.digest;
  out["images"] = b.images;
  out["seconds"] = b.seconds;
  out["warm_up_seconds"] = b.warm_up_seconds;
  out["workers"] = spec.loader.workers;
  out["batch"] = spec.data.batch;
  out["graph_us_per_message"] = b.graph.microseconds_per_message;
  out["graph_images_per_second"] = b.graph.images_per_second;
  out["clock_ns_per_message"] = b.clock_seconds * 1e9;
  out["clocks_share"] = clocks_share(b);
  out["loader"] = to_json(b.window);
  out["memory"] = to_json(memory);
  out["resident"] = to_json(resident);
  out["bad_samples"] = b.bad_samples;
  out["spec"] = arguments.spec;
  out["spec_digest"] = digest_of(spec);
  out["commit"] = build_commit();
  out["host"] = to_json(context.host);
  out["notes"] = spec.warnings;
  return out;
}

void print(const LoaderBench& b, const Spec& spec, const ResidentCurve& resident) {
  std::printf("%s images/s with %d workers, batch %llu (%s images in %s s; %s s before them were warm-up)\n",
              grouped(double(b.images) / b.seconds).c_str(), spec.loader.workers, static_cast<unsigned long long>(spec.data.batch),
              grouped(double(b.images)).c_str(), fixed(b.seconds, 2).c_str(), fixed(b.warm_up_seconds, 2).c_str());
  std::printf("first batch %s ms after the loader was made; %s CPU s a 1000 images; slots %s, the loader added %s, peak resident %s\n",
              significant(b.first_batch_seconds * 1e3, 3).c_str(), significant(b.cpu_seconds / double(b.images) * 1000, 3).c_str(),
              bytes_text(double(b.loader_bytes)).c_str(), bytes_text(double(resident.added_bytes())).c_str(), bytes_text(double(peak_rss_bytes())).c_str());
  std::printf("graph: %s us a message, %s images/s of rows that need no work (one worker, one row a message)\n",
              significant(b.graph.microseconds_per_message, 3).c_str(), grouped(b.graph.images_per_second).c_str());
  std::printf("clocks: %s ns a message and stage, %s %% of the CPU time\n", significant(b.clock_seconds * 1e9, 3).c_str(),
              fixed(100 * clocks_share(b), 2).c_str());
  if (!b.digest.empty()) std::printf("digest %s\n", b.digest.c_str());
  std::printf("\n%s", stage_table(b.window).c_str());
}

}  // namespace

int bench_loader_command(const SpecArguments& arguments, const Context& context) {
  Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  settle_workers(spec, sources, context);
  const Source& source = sources.train(spec.data);
  check_batch(spec, source);
  const auto recipe = make_recipe(spec, source.info(), false);
  LoaderOptions options = loader_options(spec);
  options.trace = context.trace;
  const double watchdog = spec.loader.watchdog_seconds;
  FaultFile faults(arguments.out, new_run_id(spec));
  ResidentCurve resident;
  const FittedMemory memory = fit_memory(spec, source, *recipe, options, memory_bound(spec.loader));
  context.out.note(opened_text(source));
  context.out.note(memory.text());
  if (!memory.note.empty()) context.out.warning(memory.note);
  const Source& cached = memory.source(source);
  LoaderBench bench = arguments.epochs ? run_epochs(cached, *recipe, options, arguments.epochs, faults, resident, watchdog, context)
                                       : run_window(cached, *recipe, options, arguments.seconds, faults, resident, watchdog, context);
  context.out.clear();
  if (context.stop.stop_requested()) return 0;  // A part of a window is not a result.
  bench.graph = measure_graph_cost(kGraphSeconds);
  bench.clock_seconds = measure_clock_cost();
  if (arguments.json)
    std::printf("%s\n", to_json(bench, spec, arguments, memory, resident, context).dump().c_str());
  else
    print(bench, spec, resident);
  return 0;
}

namespace {

/// What one step takes where ranks wait for one another: the first rank's times, the images of all.
struct StepBench {
  std::vector<train::StepBenchmark> ranks;
  std::uint64_t parameters = 0;
  std::string device;
  std::size_t batches = 0;
  double images_per_second() const {
    double sum = 0;
    for (const auto& r : ranks) sum += r.images_per_second;
    return sum;
  }
};

Json to_json(const StepBench& b, const Spec& spec, const SpecArguments& arguments, const RankShape& shape, const Context& context) {
  const train::StepBenchmark& first = b.ranks[0];
  return {{"images_per_second", b.images_per_second()},
          {"step_seconds", first.step_seconds},
          {"steps", first.steps},
          {"seconds", first.seconds},
          {"batch", global_batch(spec.data, shape)},
          {"ranks", shape.size},
          {"phases", millrace::to_json(first.phases)},
          {"reduce_hidden_seconds", first.reduce_hidden_seconds},
          {"device", b.device},
          {"parameters", b.parameters},
          {"spec", arguments.spec},
          {"spec_digest", digest_of(spec)},
          {"commit", build_commit()},
          {"host", millrace::to_json(context.host)},
          {"notes", spec.warnings}};
}

void print(const StepBench& b, const Spec& spec, const RankShape& shape) {
  const train::StepBenchmark& first = b.ranks[0];
  const std::string ranks = shape.size == 1 ? "" : std::to_string(shape.size) + " ranks, each ";
  std::printf("%s images/s on %s resident batches of %llu; a step takes %s us (median of %s) on %s%s\n\n", grouped(b.images_per_second()).c_str(),
              std::to_string(b.batches).c_str(), static_cast<unsigned long long>(global_batch(spec.data, shape)),
              significant(first.step_seconds * 1e6, 4).c_str(), grouped(double(first.steps)).c_str(), ranks.c_str(), b.device.c_str());
  Table table({"phase", "us a step", "%"});
  const auto row = [&](const std::string& name, double value) {
    table.add({name, significant(value / double(std::max<std::uint64_t>(1, first.steps)) * 1e6, 3), fixed(100 * value / first.phases.sum(), 1)});
  };
  const Json phases = millrace::to_json(first.phases);
  for (const auto& [name, value] : phases.items()) row(name, value);
  if (shape.size > 1) row("reduce, hidden", first.reduce_hidden_seconds);
  std::printf("%s", table.text().c_str());
}

}  // namespace

int bench_step_command(const SpecArguments& arguments, const Context& context) {
  Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  settle_workers(spec, sources, context);
  const Source& source = sources.train(spec.data);
  const train::Api& api = train::load();
  const Ranks ranks = local_ranks(spec, api);
  const RankShape shape = ranks.shape();
  check_batch(spec, source, shape);
  const auto recipe = make_recipe(spec, source.info(), false);
  StepBench bench;
  bench.ranks.resize(static_cast<std::size_t>(shape.local));
  // Real batches, all leased at once: as many slots as batches.
  LoaderOptions options = loader_options(spec, shape);
  options.workers = std::max(1, options.workers);
  options.prefetch = kResidentBatches;
  options.drop_last = true;
  options.batches = kResidentBatches;
  Loader loader(source, *recipe, options);
  const Forensics::Watched watched(context.forensics, loader, "loader", spec.loader.watchdog_seconds);
  std::stop_callback stopper(context.stop, [&] { loader.request_stop(); });
  std::vector<std::vector<Batch>> resident(bench.ranks.size());
  for (std::size_t r = 0; r < resident.size(); ++r)
    while (auto batch = loader.stream(static_cast<int>(r)).next()) resident[r].push_back(std::move(*batch));
  if (context.stop.stop_requested()) return 0;
  bench.batches = resident[0].size();
  for (const auto& batches : resident)
    if (std::ranges::all_of(batches, [](const Batch& batch) { return batch.rows() == 0; })) refuse_empty("bench step", loader.report());
  RankThreads threads(ranks);
  threads.run([&](std::size_t r) {
    const auto trainer = api.make_trainer(rank_options(spec, source, recipe->format(), ranks, r, context.host));
    const Forensics::Watched watched_trainer(context.forensics, *trainer, static_cast<int>(r));
    bench.ranks[r] = trainer->bench_step(resident[r], arguments.seconds, context.stop);
    if (r > 0) return;
    bench.parameters = trainer->parameters();
    bench.device = trainer->device();
  });
  if (context.stop.stop_requested()) return 0;
  if (arguments.json)
    std::printf("%s\n", to_json(bench, spec, arguments, shape, context).dump().c_str());
  else
    print(bench, spec, shape);
  return 0;
}

}  // namespace millrace
