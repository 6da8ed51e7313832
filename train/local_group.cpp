#include "train/local_group.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pipeline/clock.h"
#include "pipeline/contract.h"
#include "pipeline/cores.h"
#include "pipeline/error.h"

namespace millrace::train {
namespace {

constexpr std::uint32_t kAborted = 1, kLeft = 2, kMeeting = 4;

/// How long to wait awake: first without a system call, then giving way to whoever wants the core. Longer together than two ranks' steps of a
/// small model lie apart. Giving way matters: a rank that slept is often woken on the core of the one that woke it, and would wait there
/// for the other to stop waiting for it, while ranks that stay runnable are soon given a core each.
constexpr auto kSpin = std::chrono::microseconds(5), kGiveWay = std::chrono::microseconds(300);

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout) {
  static_assert(sizeof word == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

/// Slice `rank` of `count` elements, cut at cache lines so that no two ranks write to one.
struct Slice {
  std::size_t begin, end;
};
Slice slice_of(std::size_t count, std::size_t element_bytes, int rank, int size) {
  const std::size_t line = 64 / element_bytes, lines = (count + line - 1) / line;
  const auto edge = [&](int r) { return std::min(count, lines * static_cast<std::size_t>(r) / static_cast<std::size_t>(size) * line); };
  return {edge(rank), edge(rank + 1)};
}

std::string name_of(int rank) { return "rank " + std::to_string(rank); }

}  // namespace

LocalGroup::LocalGroup(int size, double timeout_seconds)
    : size_(size),
      timeout_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(timeout_seconds))),
      spin_(size <= usable_cores() ? std::chrono::steady_clock::duration(kSpin) : std::chrono::steady_clock::duration::zero()),
      places_(static_cast<std::size_t>(size)) {}

void LocalGroup::rethrow() {
  std::lock_guard lock(mutex_);
  throw Error(ErrorKind::communication, cause_);
}

void LocalGroup::fail(const std::string& cause) {
  abort(cause);
  rethrow();
}

void LocalGroup::abort(const std::string& cause) noexcept {
  try {
    std::lock_guard lock(mutex_);
    if (cause_.empty()) cause_ = cause.empty() ? "the ranks were aborted" : cause;
  } catch (...) { // No memory for the words: the ranks end all the same.
  }
  for (Place& place : places_) {
    place.word.fetch_or(kAborted);
    wake(place);
  }
}

void LocalGroup::leave(int rank) noexcept {
  Place& mine = places_[static_cast<std::size_t>(rank)];
  mine.word.fetch_or(kLeft);
  wake(mine);
}

void LocalGroup::wake(Place& place) noexcept {
  if (place.sleepers.load() > 0) futex(place.word, FUTEX_WAKE, static_cast<std::uint32_t>(size_), nullptr);
}

/// Waits until `other` has come to `meeting`.
void LocalGroup::await(int rank, int other, std::uint32_t meeting) {
  Place& place = places_[static_cast<std::size_t>(other)];
  const auto settled = [&](std::uint32_t word) {
    if (word & kAborted) rethrow();
    const auto ahead = static_cast<std::int32_t>((word & ~(kAborted | kLeft)) - meeting);
    if (ahead >= 0) return true;
    if (word & kLeft) fail(name_of(other) + " has left while " + name_of(rank) + " waits for it");
    return false;
  };
  if (settled(place.word.load(std::memory_order_acquire))) return;
  auto began = SteadyClock::now();
  while (SteadyClock::now() - began < spin_)
    for (int i = 0; i < 16; ++i) {
      if (settled(place.word.load(std::memory_order_acquire))) return;
      __builtin_ia32_pause();
    }
  while (SteadyClock::now() - began < kGiveWay) {
    if (settled(place.word.load(std::memory_order_acquire))) return;
    sched_yield();
  }
  place.sleepers.fetch_add(1); // Sequentially consistent with the arrival: one of the two sees the other.
  try {
    for (std::uint32_t word = place.word.load(); !settled(word); word = place.word.load()) {
      const auto now = SteadyClock::now();
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(began + timeout_ - now).count();
      if (left <= 0)
        fail(name_of(other) + " has been silent for " + std::to_string(std::chrono::duration<double>(timeout_).count()).substr(0, 5) +
                       " s while " + name_of(rank) + " waits for it");
      // In slices: one that took much longer than asked was this whole process asleep (Ctrl-Z), which says nothing of the other rank.
      const auto slice = std::min<std::int64_t>(left, std::max<std::int64_t>(1'000'000, std::chrono::nanoseconds(timeout_).count() / 10));
      const timespec limit{slice / 1'000'000'000, slice % 1'000'000'000};
      futex(place.word, FUTEX_WAIT, word, &limit);
      const auto slept = SteadyClock::now() - now;
      if (slept > 2 * std::chrono::nanoseconds(slice)) began += slept;
    }
  } catch (...) {
    place.sleepers.fetch_sub(1);
    throw;
  }
  place.sleepers.fetch_sub(1);
}

void LocalGroup::meet(int rank) {
  Place& mine = places_[static_cast<std::size_t>(rank)];
  const std::uint32_t meeting = (mine.word.fetch_add(kMeeting) + kMeeting) & ~(kAborted | kLeft);
  wake(mine);
  for (int step = 1; step < size_; ++step) await(rank, (rank + step) % size_, meeting);
  if (mine.word.load(std::memory_order_relaxed) & kAborted) rethrow();
}

void LocalGroup::open(int rank, Call call, void* memory, std::size_t count, const std::string* words) {
  Place& mine = places_[static_cast<std::size_t>(rank)];
  if (mine.word.load(std::memory_order_relaxed) & kAborted) rethrow();
  mine.call = call;
  mine.memory = memory;
  mine.count = count;
  mine.words = words;
  meet(rank);
  for (int other = 0; other < size_; ++other) {
    const Place& place = places_[static_cast<std::size_t>(other)];
    if (place.call != call || (call != Call::words && place.count != count))
      fail(name_of(other) + " made another call than " + name_of(rank) + " (" + std::to_string(place.count) + " against " +
                     std::to_string(count) + " values)");
  }
}

/// On the way out of a call that failed: whoever got into it may still read this rank's memory, for as long as a sum takes.
void LocalGroup::let_others_finish(int rank) noexcept {
  places_[static_cast<std::size_t>(rank)].inside.store(false);
  for (const Place& place : places_)
    while (place.inside.load()) sched_yield();
}

/// One call: all meet, `work` is done between the meetings.
template <class Work>
void LocalGroup::call(int rank, Call call, void* memory, std::size_t count, const std::string* words, Work&& work) {
  if (size_ == 1) return work();
  Place& mine = places_[static_cast<std::size_t>(rank)];
  mine.inside.store(true);
  try {
    open(rank, call, memory, count, words);
    work();
    mine.inside.store(false);
    meet(rank);
  } catch (...) {
    let_others_finish(rank);
    throw;
  }
}

template <class T>
void LocalGroup::all_reduce_sum(int rank, std::span<T> values) {
  call(rank, sizeof(T) == 4 ? Call::sum_float : Call::sum_double, values.data(), values.size(), nullptr, [&] {
    constexpr std::size_t kBlock = 4096 / sizeof(T); // Stays in the first-level cache between the sums and the copies.
    alignas(64) T sum[kBlock];
    const Slice slice = slice_of(values.size(), sizeof(T), rank, size_);
    for (std::size_t at = slice.begin; at < slice.end; at += kBlock) {
      const std::size_t n = std::min(kBlock, slice.end - at);
      const auto values_of = [&](int other) { return static_cast<T*>(other == rank ? values.data() : places_[static_cast<std::size_t>(other)].memory) + at; };
      std::memcpy(sum, values_of(0), n * sizeof(T));
      for (int other = 1; other < size_; ++other) {
        const T* theirs = values_of(other);
        for (std::size_t i = 0; i < n; ++i) sum[i] += theirs[i];
      }
      for (int other = 0; other < size_; ++other) std::memcpy(values_of(other), sum, n * sizeof(T));
    }
  });
}
template void LocalGroup::all_reduce_sum(int, std::span<float>);
template void LocalGroup::all_reduce_sum(int, std::span<double>);

void LocalGroup::broadcast(int rank, std::span<std::byte> bytes, int root) {
  contract(root >= 0 && root < size_, "a broadcast comes from a rank that there is");
  call(rank, Call::copy, bytes.data(), bytes.size(), nullptr, [&] {
    if (rank != root) std::memcpy(bytes.data(), places_[static_cast<std::size_t>(root)].memory, bytes.size());
  });
}

std::vector<std::string> LocalGroup::all_gather(int rank, const std::string& words) {
  std::vector<std::string> all;
  call(rank, Call::words, nullptr, 0, &words, [&] {
    for (int other = 0; other < size_; ++other) all.push_back(other == rank ? words : *places_[static_cast<std::size_t>(other)].words);
  });
  return all;
}

void LocalGroup::barrier(int rank) {
  call(rank, Call::barrier, nullptr, 0, nullptr, [] {});
}

void LocalGroup::check(int rank, double waited_seconds) {
  if (places_[static_cast<std::size_t>(rank)].word.load(std::memory_order_relaxed) & kAborted) rethrow();
  const double limit = std::chrono::duration<double>(timeout_).count();
  if (waited_seconds > limit) fail(name_of(rank) + " has waited for its device for " + std::to_string(limit).substr(0, 5) + " s: the device hangs");
}

}  // namespace millrace::train
