#include "pipeline/plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/random.h"

namespace millrace {

Plan::Plan(const PlanOptions& options) : options_(options) {
  const auto [samples, batch] = std::pair{options.samples, options.global_batch};
  if (samples == 0) throw Error(ErrorKind::data, "the data set is empty", "check data.path and data.subset");
  if (batch == 0) throw Error(ErrorKind::usage, "a batch of 0 rows", "set data.batch to 1 or more");
  if (batch > samples)
    throw Error(ErrorKind::usage,
                "a batch of " + std::to_string(batch) + " rows is larger than the data set of " + std::to_string(samples) + " samples",
                "lower data.batch to at most " + std::to_string(samples));
  if (options.world_size < 1 || batch < static_cast<std::uint64_t>(options.world_size))
    throw Error(ErrorKind::usage, "a global batch of " + std::to_string(batch) + " rows cannot be dealt to " +
                                      std::to_string(options.world_size) + " ranks", "give every rank at least one row");
  steps_per_epoch_ = options.drop_last ? samples / batch : (samples + batch - 1) / batch;
}

std::uint64_t Plan::samples_per_epoch() const {
  return options_.drop_last ? steps_per_epoch_ * options_.global_batch : options_.samples;
}

std::uint64_t Plan::global_rows(std::uint64_t batch) const {
  const std::uint64_t start = step_of(batch) * options_.global_batch;
  return std::min(options_.global_batch, options_.samples - start);
}

std::uint64_t Plan::max_rank_rows() const {
  const auto world = static_cast<std::uint64_t>(options_.world_size);
  return (options_.global_batch + world - 1) / world;
}

std::span<PlannedRow> Plan::rows_of(std::uint64_t batch, int rank, std::span<PlannedRow> rows) {
  const std::uint32_t epoch = epoch_of(batch);
  const bool shuffled = options_.sampler == Sampler::shuffled;
  if (shuffled && order_epoch_ != epoch) permute(epoch);
  const std::uint64_t start = step_of(batch) * options_.global_batch, end = start + global_rows(batch);
  std::size_t count = 0;
  for (std::uint64_t p = start + static_cast<std::uint64_t>(rank); p < end; p += static_cast<std::uint64_t>(options_.world_size))
    rows[count++] = {shuffled ? order_[p] : p, p};
  return rows.first(count);
}

void Plan::permute(std::uint32_t epoch) {
  order_.resize(options_.samples);
  std::iota(order_.begin(), order_.end(), std::uint64_t{0});
  Rng rng({options_.seed, epoch, 0, kPermutationSlot});
  for (std::uint64_t i = options_.samples - 1; i > 0; --i) std::swap(order_[i], order_[rng.below(i + 1)]);
  order_epoch_ = epoch;
}

}  // namespace millrace
