#include "pipeline/clock.h"

namespace millrace {

StageStats StageClocks::stats(Stage stage) const {
  StageStats sum;
  for (const Thread& thread : cells_) {
    const Cell& c = thread.stages[static_cast<std::size_t>(stage)];
    sum.messages += c.messages.load(std::memory_order_relaxed);
    sum.images += c.images.load(std::memory_order_relaxed);
    sum.busy_seconds += 1e-9 * static_cast<double>(c.busy_ns.load(std::memory_order_relaxed));
    for (std::size_t b = 0; b < sum.histogram.size(); ++b) sum.histogram[b] += c.histogram[b].load(std::memory_order_relaxed);
  }
  return sum;
}

int StageClocks::threads_seen() const {
  return static_cast<int>(std::count_if(cells_.begin(), cells_.end(), [](const Thread& t) {
    return std::any_of(t.stages.begin(), t.stages.end(), [](const Cell& c) { return c.messages.load(std::memory_order_relaxed) > 0; });
  }));
}

void StageClocks::note(Thread& thread, const SlowSample& sample) {
  std::lock_guard lock(thread.mutex);
  const auto faster = [](const SlowSample& a, const SlowSample& b) { return a.seconds < b.seconds; };
  if (thread.kept < kSlowest) {
    thread.slowest[static_cast<std::size_t>(thread.kept++)] = sample;
  } else {
    *std::ranges::min_element(thread.slowest, faster) = sample;
  }
  if (thread.kept == kSlowest)
    thread.slow_enough_ns.store(static_cast<std::uint64_t>(1e9 * std::ranges::min_element(thread.slowest, faster)->seconds), std::memory_order_relaxed);
}

std::vector<SlowSample> StageClocks::slowest() const {
  std::vector<SlowSample> all;
  for (const Thread& thread : cells_) {
    std::lock_guard lock(thread.mutex);
    all.insert(all.end(), thread.slowest.begin(), thread.slowest.begin() + thread.kept);
  }
  std::ranges::sort(all, [](const SlowSample& a, const SlowSample& b) { return a.seconds > b.seconds; });
  if (all.size() > kSlowest) all.resize(kSlowest);
  return all;
}

void StageClocks::forget_slowest() {
  for (Thread& thread : cells_) {
    std::lock_guard lock(thread.mutex);
    thread.kept = 0;
    thread.slow_enough_ns.store(0, std::memory_order_relaxed);
  }
}

}  // namespace millrace
