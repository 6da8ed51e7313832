// millrace tune: how many workers and how deep a queue, for this machine, data and model.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "experiments/commands.h"
#include "experiments/tune.h"

namespace millrace {
namespace {

std::string rate_text(const Reading& r) { return significant(r.low) + "-" + significant(r.high); }

Table table_of(const std::vector<Tried>& tried, std::size_t chosen, bool by_workers) {
  std::vector<std::string> header{by_workers ? "workers" : "prefetch", "images/s", "interval", "of the best %", "waits %", "memory", "rounds"};
  if (by_workers) header.insert(header.begin() + 2, "predicted");
  header.emplace_back("");
  Table table(header);
  double best = 0;
  for (const Tried& t : tried) best = std::max(best, t.rate().median);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const Tried& t = tried[i];
    const Reading r = t.rate();
    std::vector<std::string> row{std::to_string(by_workers ? t.workers : t.prefetch), significant(r.median), rate_text(r), fixed(100 * r.median / best, 1),
                                 fixed(100 * t.waited, 0), bytes_text(double(t.memory_bytes)), std::to_string(r.count)};
    if (by_workers) row.insert(row.begin() + 2, significant(t.predicted));
    row.emplace_back(i == chosen ? "<- advised" : "");
    table.add(std::move(row));
  }
  return table;
}

const Tried* with_workers_tried(const Tuning& t, int workers) {
  for (const Tried& tried : t.workers)
    if (tried.workers == workers) return &tried;
  return nullptr;
}

std::string advice(const Tuning& t) {
  const Tried& knee = t.workers[t.knee];
  const Reading rate = knee.rate();
  const std::string each = t.ranks > 1 ? " a rank" : "";
  std::string out = "loader.workers = " + std::to_string(knee.workers) + ": " + significant(rate.median) + " images/s (" + rate_text(rate) +
                    "), the fewest" + each + " within " + fixed(100 * kNear, 0) + " % of the best\n";
  if (const Tried* fewer = with_workers_tried(t, knee.workers - 1))
    out += "  one fewer costs " + fixed(100 * (1 - fewer->rate().median / rate.median), 1) + " %";
  if (const Tried* more = with_workers_tried(t, knee.workers + 1))
    out += std::string(with_workers_tried(t, knee.workers - 1) ? "; " : "  ") + "one more changes " + fixed(100 * (more->rate().median / rate.median - 1), 1) + " %";
  out += "\n";
  if (!t.prefetches.empty()) {
    const Tried& depth = t.prefetches[t.depth];
    out += "loader.prefetch = " + std::to_string(depth.prefetch) + ": the loader takes " + bytes_text(double(depth.memory_bytes)) + "\n";
  } else {
    out += "loader.prefetch has no effect without workers\n";
  }
  for (const std::string& setting : t.left_out) out += "not tried: " + setting + "\n";
  return out;
}

Json to_json(const std::vector<Tried>& tried) {
  Json out = Json::array();
  for (const Tried& t : tried) {
    const Reading r = t.rate();
    out.push_back({{"workers", t.workers}, {"prefetch", t.prefetch}, {"images_per_second", r.median}, {"low", r.low}, {"high", r.high}, {"rounds", r.count},
                   {"predicted", t.predicted}, {"wait_share", t.waited}, {"memory_bytes", t.memory_bytes}, {"rates", t.rates}});
  }
  return out;
}

Json to_json(const Tuning& t) {
  const Tried& knee = t.workers[t.knee];
  return {{"workers", knee.workers},
          {"prefetch", t.prefetches.empty() ? knee.prefetch : t.prefetches[t.depth].prefetch},
          {"images_per_second", knee.rate().median},
          {"low", knee.rate().low},
          {"high", knee.rate().high},
          {"memory_bytes", t.prefetches.empty() ? knee.memory_bytes : t.prefetches[t.depth].memory_bytes},
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
