#pragma once
#include <atomic>
#include <cstdint>

#include "pipeline/clock.h"

namespace millrace {

/// What somebody is doing and since when, for whoever asks while it lasts: a kind (the owner's enumeration, 0 to 15) and a number (of a
/// sample, batch or step; 60 bits). Both share a word, so that nobody sees the kind of one and the number of another; `since` may, for an
/// instant, be the next one's.
/// Threads: `set` from one thread at a time; `seen` from any. Costs two plain stores.
class Activity {
 public:
  struct Seen {
    unsigned kind = 0;
    std::uint64_t number = 0;
    SteadyClock::time_point since;
  };
  void set(unsigned kind, std::uint64_t number, SteadyClock::time_point since) {
    since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
    what_.store(number << 4 | kind, std::memory_order_release);
  }
  /// Kind 0, without a time: whoever still sees the last kind sees its time too.
  void clear() { what_.store(0, std::memory_order_release); }
  Seen seen() const {
    const std::uint64_t what = what_.load(std::memory_order_acquire);
    return {static_cast<unsigned>(what & 15), what >> 4, SteadyClock::time_point(SteadyClock::duration(since_.load(std::memory_order_relaxed)))};
  }

 private:
  std::atomic<std::uint64_t> what_{0};
  std::atomic<SteadyClock::rep> since_{SteadyClock::now().time_since_epoch().count()};
};

/// Sets an activity for as long as it lives; then kind 0 again.
class During {
 public:
  During(Activity& activity, unsigned kind, std::uint64_t number = 0) : activity_(activity) { activity.set(kind, number, SteadyClock::now()); }
  ~During() { activity_.clear(); }
  During(const During&) = delete;
  During& operator=(const During&) = delete;

 private:
  Activity& activity_;
};

/// One a worker, each on a cache line of its own. Kind 0 is idle, the others are stages.
class WorkerActivities {
 public:
  explicit WorkerActivities(int threads) : lines_(static_cast<std::size_t>(threads)) {}
  /// `number`: of the sample, or, in the stages plan and batch, of the batch.
  void works(int thread, Stage stage, std::uint64_t number, SteadyClock::time_point since) {
    of(thread).set(1u + static_cast<unsigned>(stage), number, since);
  }
  void rests(int thread, SteadyClock::time_point since) { of(thread).set(0, 0, since); }
  Activity::Seen seen(int thread) const { return lines_[static_cast<std::size_t>(thread)].seen(); }
  int threads() const { return static_cast<int>(lines_.size()); }

 private:
  struct alignas(64) Line : Activity {};
  Activity& of(int thread) { return lines_[static_cast<std::size_t>(thread)]; }
  std::vector<Line> lines_;
};

}  // namespace millrace
