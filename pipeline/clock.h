#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <mutex>
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
  static constexpr int kBuckets = 160; ///< Four an octave of nanoseconds: a quantile is known within a quarter.
  std::uint64_t messages = 0, images = 0;
  double busy_seconds = 0;
  std::array<std::uint64_t, kBuckets> histogram{};
  static constexpr int bucket_of(std::uint64_t ns) {
    if (ns < 4) return static_cast<int>(ns);
    const int octave = static_cast<int>(std::bit_width(ns)) - 1;
    return std::min(kBuckets - 1, 4 * (octave - 1) + static_cast<int>((ns >> (octave - 2)) & 3));
  }
  /// Nanoseconds that are too many for bucket b.
  static constexpr std::uint64_t end_of(int b) { return b < 4 ? static_cast<std::uint64_t>(b) + 1 : (std::uint64_t{5} + static_cast<std::uint64_t>(b & 3)) << (b / 4 - 1); }
};

/// A message that took long: a sample, or the first of several that travelled together.
struct SlowSample {
  std::uint64_t id = 0, images = 1;
  Stage stage = Stage::plan;
  double seconds = 0;
};

/// One clock a stage and thread, each on its own cache lines, so that measuring shares nothing between workers.
/// Threads: `add` from the thread that owns the index; the rest from any (it may be a message behind).
class StageClocks {
 public:
  static constexpr std::uint64_t kNoSample = ~std::uint64_t{0};
  static constexpr int kSlowest = 8; ///< Kept a thread.

  explicit StageClocks(int threads) : cells_(static_cast<std::size_t>(threads)) {}

  /// `sample`: of the message's first image, where it may be named among the slowest, by `busy` less `within`: what stages inside of this one
  /// have been given already.
  void add(int thread, Stage stage, SteadyClock::duration busy, std::uint64_t images, std::uint64_t sample = kNoSample, SteadyClock::duration within = {}) {
    Thread& mine = cells_[static_cast<std::size_t>(thread)];
    Cell& c = mine.stages[static_cast<int>(stage)];
    const auto ns = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(busy).count());
    bump(c.messages, 1);
    bump(c.images, images);
    bump(c.busy_ns, ns);
    bump(c.histogram[static_cast<std::size_t>(StageStats::bucket_of(ns))], 1);
    const std::uint64_t own_ns = ns - static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(within).count());
    if (sample != kNoSample && own_ns > mine.slow_enough_ns.load(std::memory_order_relaxed)) note(mine, {sample, images, stage, 1e-9 * static_cast<double>(own_ns)});
  }
  StageStats stats(Stage stage) const;
  /// The kSlowest of all threads, the slowest first.
  std::vector<SlowSample> slowest() const;
  /// Begins that list anew: the first messages pay for what is made once.
  void forget_slowest();
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
    std::atomic<std::uint64_t> slow_enough_ns{0}; ///< What the fastest of `slowest` took, once there are kSlowest.
    mutable std::mutex mutex;                     ///< Guards the two below: of n messages about kSlowest ln n enter.
    std::array<SlowSample, kSlowest> slowest{};
    int kept = 0;
  };
  static void note(Thread& thread, const SlowSample& sample);
  std::vector<Thread> cells_;
};

}  // namespace millrace
