#include "experiments/loader_stats.h"

#include <nlohmann/json.hpp>

#include "experiments/terminal.h"

namespace millrace {

LoaderReport difference(const LoaderReport& after, const LoaderReport& before) {
  LoaderReport out = after;
  for (std::size_t i = 0; i < std::min(after.stages.size(), before.stages.size()); ++i) {
    StageStats& s = out.stages[i].stats;
    const StageStats& b = before.stages[i].stats;
    s.messages -= b.messages;
    s.images -= b.images;
    s.busy_seconds -= b.busy_seconds;
    for (std::size_t k = 0; k < s.histogram.size(); ++k) s.histogram[k] -= b.histogram[k];
  }
  for (std::size_t i = 0; i < std::min(after.queues.size(), before.queues.size()); ++i) {
    QueueStats& q = out.queues[i];
    const QueueStats& b = before.queues[i];
    q.empty_seconds -= b.empty_seconds;
    q.full_seconds -= b.full_seconds;
    q.seconds -= b.seconds;
    q.pop_wait_seconds -= b.pop_wait_seconds;
    q.pops -= b.pops;
    q.waits -= b.waits;
  }
  out.batches_delivered -= before.batches_delivered;
  out.images_delivered -= before.images_delivered;
  out.bad_samples -= before.bad_samples;
  out.progressive_jpegs -= before.progressive_jpegs;
  out.fast_jpegs -= before.fast_jpegs;
  out.library_jpegs -= before.library_jpegs;
  out.wall_seconds -= before.wall_seconds;
  return out;
}

double delivered_share(const LoaderReport& window, double rows_a_batch) {
  const double full = double(window.batches_delivered) * rows_a_batch;
  return full > 0 ? std::min(1.0, double(window.images_delivered) / full) : 1;
}

void add_window(LoaderReport& sum, const LoaderReport& window) {
  if (sum.stages.empty()) {
    sum = window;
    return;
  }
  for (std::size_t i = 0; i < sum.stages.size(); ++i) {
    StageStats& s = sum.stages[i].stats;
    const StageStats& w = window.stages[i].stats;
    s.messages += w.messages;
    s.images += w.images;
    s.busy_seconds += w.busy_seconds;
    for (std::size_t k = 0; k < s.histogram.size(); ++k) s.histogram[k] += w.histogram[k];
  }
  for (std::size_t i = 0; i < sum.queues.size(); ++i) {
    QueueStats& q = sum.queues[i];
    const QueueStats& w = window.queues[i];
    q.empty_seconds += w.empty_seconds;
    q.full_seconds += w.full_seconds;
    q.seconds += w.seconds;
    q.pop_wait_seconds += w.pop_wait_seconds;
    q.pops += w.pops;
    q.waits += w.waits;
    q.max_depth = std::max(q.max_depth, w.max_depth);
  }
  sum.batches_delivered += window.batches_delivered;
  sum.images_delivered += window.images_delivered;
  sum.bad_samples += window.bad_samples;
  sum.progressive_jpegs += window.progressive_jpegs;
  sum.fast_jpegs += window.fast_jpegs;
  sum.library_jpegs += window.library_jpegs;
  sum.wall_seconds += window.wall_seconds;
}

std::uint64_t read_pages(const Batch& batch) {
  std::uint64_t sum = 0;
  const auto bytes = batch.image_bytes();
  for (std::size_t i = 0; i < bytes.size(); i += 4096) sum += *const_cast<const volatile std::uint8_t*>(&bytes[i]);
  return sum;
}

double quantile_us(const StageStats& stats, double q) {
  std::uint64_t seen = 0;
  for (std::size_t b = 0; b < stats.histogram.size(); ++b) {
    seen += stats.histogram[b];
    if (stats.messages && double(seen) >= q * double(stats.messages)) return 1e-3 * double(StageStats::end_of(int(b)));
  }
  return 0;
}

double busy_seconds(const LoaderReport& report) {
  double sum = 0;
  for (const auto& s : report.stages)
    if (s.stage != Stage::read) sum += s.stats.busy_seconds;
  return sum;
}

std::uint64_t messages(const LoaderReport& report) {
  std::uint64_t sum = 0;
  for (const auto& s : report.stages)
    if (s.stage != Stage::read) sum += s.stats.messages;
  return sum;
}

Json to_json(const LoaderReport& report) {
  Json out;
  for (const auto& [stage, s] : report.stages) {
    if (!s.messages) continue;
    out["stages"][name_of(stage)] = {
        {"messages", s.messages},         {"images", s.images},
        {"busy_seconds", s.busy_seconds}, {"us_per_image", s.images ? s.busy_seconds / double(s.images) * 1e6 : 0.0},
        {"p50_us", quantile_us(s, 0.5)},  {"p95_us", quantile_us(s, 0.95)},
        {"p99_us", quantile_us(s, 0.99)}};
  }
  for (const QueueStats& q : report.queues)
    out["queues"].push_back({{"seconds", q.seconds},
                             {"empty_seconds", q.empty_seconds},
                             {"full_seconds", q.full_seconds},
                             {"pop_wait_seconds", q.pop_wait_seconds},
                             {"pops", q.pops},
                             {"waits", q.waits},
                             {"max_depth", q.max_depth}});
  out["bytes"] = report.bytes;
  out["memory"] = report.memory;
  out["threads"] = report.threads_seen;
  out["bad_samples"] = report.bad_samples;
  out["progressive_jpegs"] = report.progressive_jpegs;
  out["fast_jpegs"] = report.fast_jpegs;
  out["library_jpegs"] = report.library_jpegs;
  out["large_pictures"] = report.large_pictures;
  return out;
}

std::string stage_table(const LoaderReport& report) {
  Table table({"stage", "messages", "images", "busy s", "us/image", "us/message", "p50 us", "p99 us"});
  for (const auto& [stage, s] : report.stages) {
    if (!s.messages) continue;
    const double us = s.busy_seconds * 1e6;
    table.add({name_of(stage), grouped(double(s.messages)), grouped(double(s.images)), fixed(s.busy_seconds, 3),
               s.images ? significant(us / double(s.images), 3) : "-", significant(us / double(s.messages), 3),
               "< " + significant(quantile_us(s, 0.5), 3), "< " + significant(quantile_us(s, 0.99), 3)});
  }
  return table.text();
}

}  // namespace millrace
