#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/batch.h"

namespace millrace {

/// Batches that were loaded once, handed over again and again: a loader that costs nothing (leg X of a profile).
/// Threads: one caller of next; batches may be given back on any thread.
/// Owns:    nothing of the pixels: `resident` must outlive it and the batches it gave.
class Replay final : public BatchStream {
 public:
  /// `rows`: at most so many of each batch; 0: all.
  explicit Replay(std::span<const Batch> resident, int rows = 0);
  /// The batches in turn; an epoch never ends. Errors: Error(internal) where all are still in use.
  std::optional<Batch> next() override;
  std::optional<Batch> try_next() override;

 private:
  struct Ring;
  std::shared_ptr<Ring> ring_;
  RowFormat format_;
  std::size_t at_ = 0;
};

}  // namespace millrace
