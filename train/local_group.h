#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace millrace::train {

/// Where the rank threads of one process meet: sums in rank order, copies, words. All ranks make the same calls in the same order.
/// A call is a meeting or two: each rank says where its values lie, sums one slice over all ranks in rank order and writes it to all of
/// them (in place: no buffer but the callers'), and leaves when all have. So sums have the same bits on every rank and in every run.
/// Who waits spins for some microseconds where each rank can have a core, then gives way to others, then sleeps.
/// Threads: one caller a rank; abort and leave from any. No LibTorch and no TBB here, so that the thread sanitizer can judge it.
/// Errors:  Error(communication) that names the rank at fault: one that left, aborted, asked for something else, or has been silent
///          for longer than the time-out. The first cause ends the group; every later call throws it.
class LocalGroup {
 public:
  LocalGroup(int size, double timeout_seconds);

  int size() const { return size_; }
  template <class T>
  void all_reduce_sum(int rank, std::span<T> values); ///< float or double.
  void broadcast(int rank, std::span<std::byte> bytes, int root);
  std::vector<std::string> all_gather(int rank, const std::string& words);
  void barrier(int rank);
  /// For a rank that waits for something else than the others. Errors: what ended the group; a wait longer than the time-out ends it.
  void check(int rank, double waited_seconds);

  void abort(const std::string& cause) noexcept;
  void leave(int rank) noexcept; ///< Waiting for `rank` is an error from now on.

 private:
  enum class Call : std::uint8_t { sum_float, sum_double, copy, words, barrier };
  /// What one rank said on arriving, on cache lines of its own.
  struct alignas(128) Place {
    std::atomic<std::uint32_t> word{0};     ///< Bit 0: aborted; bit 1: left; above: meetings, modulo 2^30.
    std::atomic<std::uint32_t> sleepers{0}; ///< Ranks that wait for `word` to change.
    std::atomic<bool> inside{false};        ///< From before the call's first meeting until it has done with the others' memory.
    Call call = Call::barrier;
    void* memory = nullptr;
    std::size_t count = 0;
    const std::string* words = nullptr;
  };

  template <class Work>
  void call(int rank, Call call, void* memory, std::size_t count, const std::string* words, Work&& work);
  void meet(int rank); ///< Arrives and waits for all.
  void open(int rank, Call call, void* memory, std::size_t count, const std::string* words);
  void await(int rank, int other, std::uint32_t meeting);
  void let_others_finish(int rank) noexcept;
  void wake(Place& place) noexcept;
  [[noreturn]] void fail(const std::string& cause);
  [[noreturn]] void rethrow();

  const int size_;
  const std::chrono::steady_clock::duration timeout_, spin_;
  std::vector<Place> places_;
  std::mutex mutex_;
  std::string cause_; ///< Under the mutex; set once, before the abort bits.
};

}  // namespace millrace::train
