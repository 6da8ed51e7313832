#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "pipeline/buffer.h"
#include "pipeline/image.h"

namespace millrace {

/// What is kept of one sample: its label, and its file or its decoded picture without gaps.
struct CachedSample {
  std::int64_t label = 0;
  Size size;         ///< 0 x 0: a file.
  int channels = 0;
  const std::uint8_t* data = nullptr;
  std::uint64_t bytes = 0;
};

/// Samples by number, up to a bound in bytes: filled as they come, until it is full; nothing is ever taken out. In a shuffled epoch every sample is
/// wanted exactly once, so that whatever is kept is as good as anything else, and making room would only cost.
/// Contains no TBB, so that the thread sanitizer can judge it.
/// Threads: any. Owns: its memory, in blocks of 4 MiB at most, which count with their unused ends; pointers stay valid as long as the cache.
/// Errors:  std::bad_alloc.
class SampleCache {
 public:
  SampleCache(std::uint64_t samples, std::uint64_t bound_bytes);

  /// Null: not here. One load.
  const CachedSample* find(std::uint64_t index) const;
  /// Keeps a copy and returns it; null where there is no room, or where another thread is just keeping the same.
  const CachedSample* keep(std::uint64_t index, std::int64_t label, std::span<const std::uint8_t> file);
  const CachedSample* keep(std::uint64_t index, std::int64_t label, const ImageView& picture);
  /// A sample of this size was refused already: there is no need to prepare another.
  bool full_for(std::uint64_t bytes) const { return bytes >= refused_.load(std::memory_order_relaxed); }

  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }  ///< Taken from the bound so far.
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }  ///< Samples that can be found.
  /// What so many samples take, each of at most so many bytes; of 0, an empty cache.
  static std::uint64_t bytes_for(std::uint64_t samples, std::uint64_t bytes_a_sample);

 private:
  template <class Fill>
  const CachedSample* keep(std::uint64_t index, const CachedSample& what, Fill&& fill);
  std::uint8_t* take(std::uint64_t bytes);  // Under mutex_.

  const std::uint64_t bound_;
  std::vector<std::atomic<const CachedSample*>> entries_;
  std::mutex mutex_;
  std::vector<Buffer> blocks_;
  std::uint8_t* free_ = nullptr;  // Of the last block.
  std::uint64_t free_bytes_ = 0;
  std::atomic<std::uint64_t> bytes_{0}, count_{0}, refused_{~std::uint64_t{0}};
};

}  // namespace millrace
