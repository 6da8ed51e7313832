#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/decoder.h"
#include "pipeline/sample_cache.h"
#include "pipeline/source.h"

namespace millrace {

enum class CacheHolds : std::uint8_t { encoded, decoded };

/// A source in front of another, which remembers samples as they are read, until its share of the memory is full. `encoded` saves the
/// file system; `decoded` the decoding too, and holds whole pictures, so that what is drawn for a sample, and every batch, stays what it is without a cache.
/// A picture that cannot be decoded whole is handed on as its file, and its faults are found where they always are.
/// Threads: as Source. Owns: the cache; `plain` must outlive it. Bytes and pixels of a cached sample live as long as this.
/// Errors:  the constructor throws std::bad_alloc; reading as `plain`.
class CachedSource final : public Source {
 public:
  /// `picture_bytes`: what a thread that decodes for the cache may keep between pictures; 0: whatever it grew to.
  CachedSource(const Source& plain, CacheHolds holds, std::uint64_t bound_bytes, std::function<std::unique_ptr<Decoder>()> make_decoder,
               std::uint64_t picture_bytes = 0);

  const SourceInfo& info() const override { return plain_.info(); }
  std::uint64_t size() const override { return plain_.size(); }
  std::string origin(std::uint64_t index) const override { return plain_.origin(index); }
  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override;

  const SampleCache& cache() const { return cache_; }

 private:
  /// A decoder and its picture; at most one a reading thread.
  struct Desk {
    std::unique_ptr<Decoder> decoder;
    Buffer canvas;
  };
  const CachedSample* keep(std::uint64_t index, const Sample& sample) const;
  const CachedSample* keep_decoded(std::uint64_t index, const Sample& sample) const;

  const Source& plain_;
  const CacheHolds holds_;
  const std::function<std::unique_ptr<Decoder>()> make_decoder_;
  const std::uint64_t picture_bytes_;
  mutable SampleCache cache_;
  mutable std::mutex mutex_;  // Guards the list.
  mutable std::vector<std::unique_ptr<Desk>> desks_;
};

}  // namespace millrace
