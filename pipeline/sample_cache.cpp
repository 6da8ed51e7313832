#include "pipeline/sample_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace millrace {
namespace {

constexpr std::uint64_t kBlockBytes = 4 << 20;
constexpr std::uint64_t kLine = Buffer::kAlignment;

constexpr std::uint64_t in_lines(std::uint64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }
constexpr std::uint64_t kHead = in_lines(sizeof(CachedSample));

/// Stands for a sample that some thread is just keeping.
constexpr CachedSample kTaken;

}  // namespace

SampleCache::SampleCache(std::uint64_t samples, std::uint64_t bound_bytes) : bound_(bound_bytes), entries_(samples), bytes_(bytes_for(samples, 0)) {}

std::uint64_t SampleCache::bytes_for(std::uint64_t samples, std::uint64_t bytes_a_sample) {
  const std::uint64_t table = samples * sizeof(std::atomic<const CachedSample*>);
  if (bytes_a_sample == 0) return table;
  const std::uint64_t one = kHead + in_lines(bytes_a_sample), block = std::max(one, kBlockBytes);
  const std::uint64_t a_block = block / one;
  return table + (samples + a_block - 1) / a_block * block;
}

const CachedSample* SampleCache::find(std::uint64_t index) const {
  const CachedSample* sample = entries_[index].load(std::memory_order_acquire);
  return sample == &kTaken ? nullptr : sample;
}

std::uint8_t* SampleCache::take(std::uint64_t bytes) {
  if (bytes > free_bytes_) {
    const std::uint64_t left = bound_ - std::min(bound_, this->bytes());
    // The last block is as large as what is left; a sample larger than a block has one of its own.
    const std::uint64_t block = std::max(bytes, std::min(kBlockBytes, left / kLine * kLine));
    if (block > left) return nullptr;
    Buffer memory;
    std::uint8_t* begin = memory.reserve(block);
    blocks_.push_back(std::move(memory));
    bytes_.fetch_add(block, std::memory_order_relaxed);
    if (block - bytes < free_bytes_) return begin;  // The block before it has more left.
    free_ = begin;
    free_bytes_ = block;
  }
  std::uint8_t* out = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  return out;
}

template <class Fill>
const CachedSample* SampleCache::keep(std::uint64_t index, const CachedSample& what, Fill&& fill) {
  if (full_for(what.bytes)) return nullptr;
  const CachedSample* nobody = nullptr;
  if (!entries_[index].compare_exchange_strong(nobody, &kTaken, std::memory_order_acq_rel)) return nullptr;
  std::uint8_t* memory = nullptr;
  try {
    std::lock_guard lock(mutex_);
    memory = take(kHead + in_lines(what.bytes));
  } catch (const std::bad_alloc&) {  // Less memory than the bound promised: the cache is full, and no more than that.
  }
  if (!memory) {
    std::uint64_t least = refused_.load(std::memory_order_relaxed);
    while (what.bytes < least && !refused_.compare_exchange_weak(least, what.bytes, std::memory_order_relaxed)) {
    }
    entries_[index].store(nullptr, std::memory_order_release);
    return nullptr;
  }
  auto* sample = new (memory) CachedSample(what);
  sample->data = memory + kHead;
  fill(memory + kHead);
  count_.fetch_add(1, std::memory_order_relaxed);
  entries_[index].store(sample, std::memory_order_release);
  return sample;
}

const CachedSample* SampleCache::keep(std::uint64_t index, std::int64_t label, std::span<const std::uint8_t> file) {
  return keep(index, {.label = label, .bytes = file.size()}, [&](std::uint8_t* to) { std::memcpy(to, file.data(), file.size()); });
}

const CachedSample* SampleCache::keep(std::uint64_t index, std::int64_t label, const ImageView& picture) {
  const std::size_t row = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
  const CachedSample what{.label = label, .size = picture.size(), .channels = picture.channels, .bytes = row * static_cast<std::size_t>(picture.height)};
  return keep(index, what, [&](std::uint8_t* to) {
    for (int y = 0; y < picture.height; ++y) std::memcpy(to + static_cast<std::size_t>(y) * row, picture.row(y), row);
  });
}

}  // namespace millrace
