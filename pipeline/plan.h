#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

enum class Sampler : std::uint8_t { shuffled, sequential };

struct PlanOptions {
  std::uint64_t samples = 0;      ///< Size of the source.
  std::uint64_t global_batch = 0; ///< Rows of a batch over all ranks.
  int world_size = 1;
  Sampler sampler = Sampler::shuffled;
  bool drop_last = false;
  std::uint64_t seed = 0;
};

/// One row of a batch, as planned.
struct PlannedRow {
  std::uint64_t id = 0;       ///< Index in the source.
  std::uint64_t position = 0; ///< Place in the epoch: row r of rank k in step s is position s * G + r * W + k.
};

/// Which samples make global batch k, for ever: batch k lies in epoch k / steps_per_epoch; its positions are a contiguous
/// range of that epoch's permutation, and rank r takes rows r, r + W, r + 2W ... of it, as torch's DistributedSampler
/// deals them. The permutation is Fisher-Yates over a Philox stream keyed by (seed, epoch), so a plan has no state worth
/// saving: (seed, k) says everything.
/// Threads: one caller at a time (it keeps the current epoch's permutation; 8 bytes a sample).
/// Errors:  Error(usage) for an empty set, a batch of no rows or one larger than the set.
class Plan {
 public:
  explicit Plan(const PlanOptions& options);

  std::uint64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::uint32_t epoch_of(std::uint64_t batch) const { return static_cast<std::uint32_t>(batch / steps_per_epoch_); }
  std::uint64_t step_of(std::uint64_t batch) const { return batch % steps_per_epoch_; }
  bool ends_epoch(std::uint64_t batch) const { return step_of(batch) + 1 == steps_per_epoch_; }
  /// Samples of one epoch: the set's size, or fewer with drop_last.
  std::uint64_t samples_per_epoch() const;
  /// Rows of global batch k over all ranks: G, or the tail.
  std::uint64_t global_rows(std::uint64_t batch) const;
  /// The most rows that any rank gets of any batch.
  std::uint64_t max_rank_rows() const;
  /// Writes the rows of `rank` in global batch `batch`; the result is a prefix of `rows` (which holds max_rank_rows()).
  std::span<PlannedRow> rows_of(std::uint64_t batch, int rank, std::span<PlannedRow> rows);

 private:
  void permute(std::uint32_t epoch);

  PlanOptions options_;
  std::uint64_t steps_per_epoch_ = 0;
  std::vector<std::uint64_t> order_;
  std::uint64_t order_epoch_ = ~std::uint64_t{0};
};

}  // namespace millrace
