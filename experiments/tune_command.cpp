// millrace tune: how many workers and how deep a queue, for this machine, data and model.
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "experiments/commands.h"
#include "experiments/tune.h"

namespace millrace {
namespace {

/// One reading has no range.
std::string range_text(const Reading& r) { return r.has_interval() ? significant(r.low) + "-" + significant(r.high) : "-"; }

Table table_of(const std::vector<Tried>& tried, const Choice& choice, bool by_workers) {
  std::vector<std::string> header{by_workers ? "workers" : "prefetch", "images/s", "range", "of the best %", "waits %", "memory", "rounds"};
  if (by_workers) header.insert(header.begin() + 2, "predicted");
  header.emplace_back("");
  Table table(header);
  double best = 0;
  for (const Tried& t : tried) best = std::max(best, t.rate().median);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const Tried& t = tried[i];
    const Reading r = t.rate();
    std::vector<std::string> row{std::to_string(by_workers ? t.workers : t.prefetch), significant(r.median), range_text(r), fixed(100 * r.median / best, 1),
                                 fixed(100 * t.waited, 0), bytes_text(double(t.memory_bytes)), std::to_string(r.count)};
    if (by_workers) row.insert(row.begin() + 2, significant(t.predicted));
    row.emplace_back(i != choice.at ? "" : choice.found ? "<- advised" : "<- keep");
    table.add(std::move(row));
  }
  return table;
}

const Tried* with_workers_tried(const Tuning& t, int workers) {
  for (const Tried& tried : t.workers)
    if (tried.workers == workers) return &tried;
  return nullptr;
}

/// "one fewer costs 3.1 %", where the readings say so.
std::string beside_text(const Tried& chosen, const Tried* other, const std::string& which) {
  if (!other) return {};
  if (!differ(chosen, *other)) return "; " + which + ": no difference found";
  const double change = other->rate().median / chosen.rate().median - 1;
  return "; " + which + " " + (change < 0 ? "costs " : "gains ") + fixed(100 * std::abs(change), 1) + " %";
}

std::string workers_advice(const Tuning& t) {
  const Tried& chosen = t.workers[t.knee.at];
  const Reading rate = chosen.rate();
  const std::string number = std::to_string(chosen.workers), each = t.ranks > 1 ? " a rank" : "";
  const std::string reached = significant(rate.median) + " images/s (" + (rate.has_interval() ? range_text(rate) + ", " : "") +
                              std::to_string(rate.count) + (rate.count == 1 ? " reading)" : " readings)");
  std::string out = t.knee.found ? "loader.workers = " + number + ": " + reached + ", the fewest" + each + " within " + fixed(100 * kNear, 0) + " % of the best"
                                 : "loader.workers: no difference found: keep " + number + ": " + reached;
  out += beside_text(chosen, with_workers_tried(t, chosen.workers - 1), "one fewer") +
         beside_text(chosen, with_workers_tried(t, chosen.workers + 1), "one more") + "\n";
  constexpr double kSurprising = 0.12;  // As for a verdict: E against the prediction.
  if (chosen.predicted > 0 && std::abs(rate.median / chosen.predicted - 1) > kSurprising)
    out += "  by the loader and the trainer alone it should be " + significant(chosen.predicted) + " images/s: together they reach " +
           fixed(100 * rate.median / chosen.predicted, 0) + " % of that\n";
  return out;
}

std::string depth_advice(const Tuning& t) {
  if (t.workers[t.knee.at].workers == 0) return "loader.prefetch has no effect without workers\n";
  if (t.prefetches.empty()) return "loader.prefetch: not tried: keep " + std::to_string(t.workers[t.knee.at].prefetch) + "\n";
  const Tried& depth = t.prefetches[t.depth.at];
  return (t.depth.found ? "loader.prefetch = " : "loader.prefetch: no difference found: keep ") + std::to_string(depth.prefetch) +
         (t.depth.found ? ", the least within " + fixed(100 * kNearDepth, 0) + " % of the best" : "") + ": the loader takes " +
         bytes_text(double(depth.memory_bytes)) + "\n";
}

std::string advice(const Tuning& t) {
  std::string out = workers_advice(t) + depth_advice(t);
  for (const std::string& setting : t.left_out) out += "not tried: " + setting + "\n";
  return out;
}

Json low_of(const Reading& r) { return r.has_interval() ? Json(r.low) : Json(nullptr); }
Json high_of(const Reading& r) { return r.has_interval() ? Json(r.high) : Json(nullptr); }

Json to_json(const std::vector<Tried>& tried) {
  Json out = Json::array();
  for (const Tried& t : tried) {
    const Reading r = t.rate();
    out.push_back({{"workers", t.workers}, {"prefetch", t.prefetch}, {"images_per_second", r.median}, {"low", low_of(r)}, {"high", high_of(r)}, {"rounds", r.count},
                   {"predicted", t.predicted}, {"wait_share", t.waited}, {"memory_bytes", t.memory_bytes}, {"rates", t.rates}});
  }
  return out;
}

Json to_json(const Tuning& t) {
  const Tried &knee = t.workers[t.knee.at], &depth = t.prefetches.empty() ? knee : t.prefetches[t.depth.at];
  return {{"workers", knee.workers},
          {"workers_found", t.knee.found},
          {"prefetch", depth.prefetch},
          {"prefetch_found", t.depth.found},
          {"images_per_second", knee.rate().median},
          {"low", low_of(knee.rate())},
          {"high", high_of(knee.rate())},
          {"memory_bytes", depth.memory_bytes},
          {"by_workers", to_json(t.workers)},
          {"by_prefetch", to_json(t.prefetches)},
          {"one_worker", {{"L", t.one_worker.loader}, {"A", t.one_worker.reduced}, {"cpu_L", t.one_worker.loader_cpu}, {"cpu_A", t.one_worker.reduced_cpu}}},
          {"not_tried", t.left_out},
          {"batch", t.batch},
          {"cores_there", t.one_worker.cores},
          {"seconds", t.seconds}};
}

}  // namespace

int tune_command(const SpecArguments& arguments, const Context& context) {
  Spec spec = read_spec(arguments, context);
  if (spec.loader.workers == kAutoWorkers) spec.loader.workers = 1;  // It is what will be found.
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  const Tuning tuning = tune(spec, sources, context, arguments.seconds);
  context.out.clear();
  if (context.stop.stop_requested() || tuning.workers.empty()) return 0;
  const Rates& one = tuning.one_worker;
  std::printf("one worker loads %s images/s with %s us of CPU each, the trainer takes %s with %s us; %s of %d cores are free\n\n", significant(one.loader).c_str(),
              significant(1e6 * one.loader_cpu, 3).c_str(), significant(one.reduced).c_str(), significant(1e6 * one.reduced_cpu, 3).c_str(),
              significant(one.cores, 3).c_str(), tuning.cores);
  std::printf("%s\n", table_of(tuning.workers, tuning.knee, true).text().c_str());
  if (!tuning.prefetches.empty()) std::printf("%s\n", table_of(tuning.prefetches, tuning.depth, false).text().c_str());
  std::printf("%sin %s s, rounds interleaved\n", advice(tuning).c_str(), fixed(tuning.seconds, 1).c_str());
  if (!arguments.json) return 0;
  Json record = to_json(tuning);
  record["spec"] = arguments.spec;
  record["spec_digest"] = digest_of(spec);
  record["commit"] = build_commit();
  record["host"] = millrace::to_json(context.host);
  std::printf("%s\n", record.dump().c_str());
  return 0;
}

}  // namespace millrace
