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

}  // namespace millrace
