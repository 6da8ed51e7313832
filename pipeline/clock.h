#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace millrace {

using SteadyClock = std::chrono::steady_clock;
inline double seconds_between(SteadyClock::time_point a, SteadyClock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

/// Where the time of a loader goes. `read` is the part of the decode node spent in Source::read of encoded samples.
enum class Stage : std::uint8_t { plan, read, decode, augment, batch };
inline constexpr int kStages = 5;
constexpr const char* name_of(Stage s) {
  constexpr const char* names[kStages] = {"plan", "read", "decode", "augment", "batch"};
  return names[static_cast<int>(s)];
}

/// What one stage did, summed over threads.
struct StageStats {
  static constexpr int kBuckets = 40; ///< Bucket b counts messages that took [2^b, 2^(b+1)) nanoseconds.
  std::uint64_t messages = 0, images = 0;
  double busy_seconds = 0;
  std::array<std::uint64_t, kBuckets> histogram{};
};

/// One clock a stage and thread, each on its own cache lines, so that measuring shares nothing between workers.
/// Threads: `add` from the thread that owns the index; `stats` from any (it may be a message behind).
class StageClocks {
 public:
  explicit StageClocks(int threads) : cells_(static_cast<std::size_t>(threads)) {}

  void add(int thread, Stage stage, SteadyClock::duration busy, std::uint64_t images) {
    Cell& c = cells_[static_cast<std::size_t>(thread)].stages[static_cast<int>(stage)];
    const auto ns = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(busy).count());
    bump(c.messages, 1);
    bump(c.images, images);
    bump(c.busy_ns, ns);
    bump(c.histogram[static_cast<std::size_t>(std::min<int>(StageStats::kBuckets - 1, static_cast<int>(std::bit_width(ns | 1)) - 1))], 1);
  }
  StageStats stats(Stage stage) const;
  int threads() const { return static_cast<int>(cells_.size()); }
  /// How many threads have added to any stage.
  int threads_seen() const;

 private:
  // One writer a cell: a relaxed load and store is enough, and costs less than an atomic add.
  static void bump(std::atomic<std::uint64_t>& value, std::uint64_t by) {
    value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  struct Cell {
    std::atomic<std::uint64_t> messages{0}, images{0}, busy_ns{0};
    std::array<std::atomic<std::uint64_t>, StageStats::kBuckets> histogram{};
  };
  struct alignas(128) Thread {
    std::array<Cell, kStages> stages;
  };
  std::vector<Thread> cells_;
};

}  // namespace millrace
