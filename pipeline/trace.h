#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/clock.h"

namespace millrace {

/// What happened: a span of time on a thread, or a count at a moment (begin == end).
struct TraceEvent {
  enum class Of : std::uint8_t { nothing, sample, batch, step, bucket, count };
  const char* name;              ///< Of static life.
  SteadyClock::time_point begin, end;
  std::uint64_t of : 8, number : 56;
};
static_assert(sizeof(TraceEvent) == 32);

/// The events of one thread, or of what a lock guards. Keeps the newest kMost of them (8 MiB); how many older ones it let go is known.
/// Threads: one writer at a time; read when it has ended. Errors: none; events that find no memory are counted as let go.
class TraceLane {
 public:
  static constexpr std::size_t kChunk = 4096, kMost = 64 * kChunk;

  TraceLane(int group, std::string name) : group_(group), name_(std::move(name)) {}
  /// Spans of one lane nest or follow one another.
  void span(const char* name, SteadyClock::time_point begin, SteadyClock::time_point end, TraceEvent::Of of = TraceEvent::Of::nothing,
            std::uint64_t number = 0) noexcept {
    if (TraceEvent* const event = next()) *event = {name, begin, end, static_cast<std::uint64_t>(of), number & ((std::uint64_t{1} << 56) - 1)};
  }
  void count(const char* name, SteadyClock::time_point at, std::uint64_t value) noexcept { span(name, at, at, TraceEvent::Of::count, value); }

  int group() const { return group_; }
  const std::string& name() const { return name_; }
  std::uint64_t dropped() const { return lost_ + (written_ > kMost ? written_ - kMost : 0); }
  /// Oldest first.
  template <class Take>
  void each(Take&& take) const {
    for (std::uint64_t i = written_ > kMost ? written_ - kMost : 0; i < written_; ++i) take(chunks_[i % kMost / kChunk][i % kChunk]);
  }

 private:
  TraceEvent* next() noexcept {
    const std::size_t chunk = written_ % kMost / kChunk;
    if (chunk == chunks_.size() && !grow()) return nullptr;
    return &chunks_[chunk][written_++ % kChunk];
  }
  bool grow() noexcept;

  const int group_;
  const std::string name_;
  std::vector<std::unique_ptr<TraceEvent[]>> chunks_;
  std::uint64_t written_ = 0, lost_ = 0;
};

/// All lanes of a process, in groups (the loader, each rank).
/// Threads: lane() from any; groups() and lanes() when all writers have ended.
class Trace {
 public:
  /// The lane of that name: a new one, or the one that an earlier thread of that name has left. Lives as long as the trace.
  TraceLane& lane(const std::string& group, const std::string& name);
  const std::vector<std::string>& groups() const { return groups_; }
  const std::vector<std::unique_ptr<TraceLane>>& lanes() const { return lanes_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> groups_;
  std::vector<std::unique_ptr<TraceLane>> lanes_;
};

}  // namespace millrace
