#pragma once
#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "pipeline/clock.h"
#include "pipeline/trace.h"

namespace millrace {

/// How a queue was used: how long it stood empty (the loader is behind) and full (the trainer is).
struct QueueStats {
  double empty_seconds = 0, full_seconds = 0, seconds = 0;
  double pop_wait_seconds = 0;      ///< Time the consumer spent waiting in pop.
  std::uint64_t pops = 0, waits = 0; ///< waits: pops that found nothing.
  std::uint64_t max_depth = 0;
  std::uint64_t depth = 0;          ///< Now.
  bool closed = false;
};

/// A queue of one rank's finished batches that measures itself. Never blocks the producer: what can be in it is bounded by
/// the slots that exist. Contains no TBB, so that the thread sanitizer can judge it.
/// Threads: any.
template <class T>
class MeasuredQueue {
 public:
  /// `full_depth`: from which depth on the queue counts as full.
  /// `lane`: where the depth is traced; the queue's own. May be null.
  explicit MeasuredQueue(std::size_t full_depth, TraceLane* lane = nullptr) : full_depth_(full_depth), lane_(lane), since_(SteadyClock::now()) {}

  /// False: the queue is closed and the value was not taken.
  bool push(T value) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      tick();
      items_.push_back(std::move(value));
      trace_depth();
      stats_.max_depth = std::max<std::uint64_t>(stats_.max_depth, items_.size());
    }
    ready_.notify_one();
    return true;
  }
  /// Waits for a value. Empty: closed and drained.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    if (items_.empty() && !closed_) {
      const auto began = SteadyClock::now();
      ++stats_.waits;
      ready_.wait(lock, [&] { return !items_.empty() || closed_; });
      stats_.pop_wait_seconds += seconds_between(began, SteadyClock::now());
    }
    return take();
  }
  /// Never waits.
  std::optional<T> try_pop() {
    std::lock_guard lock(mutex_);
    return take();
  }
  /// No further push; what is inside can still be popped.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }
  /// Closes and hands back what was inside.
  std::deque<T> drain() {
    std::deque<T> rest;
    {
      std::lock_guard lock(mutex_);
      tick();
      closed_ = true;
      rest.swap(items_);
      trace_depth();
    }
    ready_.notify_all();
    return rest;
  }
  QueueStats stats() const {
    std::lock_guard lock(mutex_);
    tick();
    stats_.depth = items_.size();
    stats_.closed = closed_;
    return stats_;
  }

 private:
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    tick();
    ++stats_.pops;
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    trace_depth();
    return value;
  }
  void trace_depth() {
    if (lane_) lane_->count("batches", since_, items_.size());
  }
  void tick() const {
    const auto now = SteadyClock::now();
    const double dt = seconds_between(since_, now);
    since_ = now;
    stats_.seconds += dt;
    if (items_.empty()) stats_.empty_seconds += dt;
    if (items_.size() >= full_depth_) stats_.full_seconds += dt;
  }

  const std::size_t full_depth_;
  TraceLane* const lane_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
  bool closed_ = false;
  mutable QueueStats stats_;
  mutable SteadyClock::time_point since_;
};

}  // namespace millrace
