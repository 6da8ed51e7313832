#include "pipeline/plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "pipeline/error.h"

namespace millrace {
namespace {

std::vector<std::uint64_t> ids_of_batch(Plan& plan, std::uint64_t batch, int world) {
  std::vector<std::uint64_t> ids(plan.global_rows(batch));
  std::vector<PlannedRow> rows(plan.max_rank_rows());
  for (int rank = 0; rank < world; ++rank) {
    std::size_t place = static_cast<std::size_t>(rank);
    for (const PlannedRow& row : plan.rows_of(batch, rank, rows)) {
      ids.at(place) = row.id;
      place += static_cast<std::size_t>(world);
    }
  }
  return ids;
}

std::vector<std::uint64_t> ids_of_epoch(Plan& plan, std::uint64_t epoch, int world) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t s = 0; s < plan.steps_per_epoch(); ++s)
    for (std::uint64_t id : ids_of_batch(plan, epoch * plan.steps_per_epoch() + s, world)) all.push_back(id);
  return all;
}

TEST(Plan, AnEpochHoldsEverySampleOnce) {
  Plan plan({.samples = 103, .global_batch = 10});
  std::vector<std::uint64_t> ids = ids_of_epoch(plan, 2, 1);
  std::sort(ids.begin(), ids.end());
  std::vector<std::uint64_t> all(103);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(ids, all);
}

TEST(Plan, EpochsAndSeedsHaveTheirOwnOrder) {
  Plan plan({.samples = 50, .global_batch = 10}), other({.samples = 50, .global_batch = 10, .seed = 1});
  const auto first = ids_of_epoch(plan, 0, 1);
  EXPECT_NE(first, ids_of_epoch(plan, 1, 1));
  EXPECT_NE(first, ids_of_epoch(other, 0, 1));
  EXPECT_EQ(first, ids_of_epoch(plan, 0, 1));
}

TEST(Plan, GlobalBatchesAreTheSameForAnyNumberOfRanks) {
  for (int world : {2, 3, 4, 7}) {
    Plan one({.samples = 103, .global_batch = 12}), many({.samples = 103, .global_batch = 12, .world_size = world});
    for (std::uint64_t batch = 0; batch < 20; ++batch) EXPECT_EQ(ids_of_batch(one, batch, 1), ids_of_batch(many, batch, world));
  }
}

TEST(Plan, ATailLeavesLateRanksWithoutRows) {
  Plan plan({.samples = 9, .global_batch = 8, .world_size = 4});
  std::vector<PlannedRow> rows(plan.max_rank_rows());
  EXPECT_EQ(plan.rows_of(1, 0, rows).size(), 1u);
  EXPECT_EQ(plan.rows_of(1, 1, rows).size(), 0u);
}

TEST(Plan, DropLastLeavesOutTheTail) {
  Plan plan({.samples = 103, .global_batch = 10, .drop_last = true});
  EXPECT_EQ(plan.steps_per_epoch(), 10u);
  EXPECT_EQ(plan.samples_per_epoch(), 100u);
  EXPECT_TRUE(plan.ends_epoch(9));
  EXPECT_EQ(plan.epoch_of(10), 1u);
}

TEST(Plan, TheShuffleIsUniform) {
  std::array<int, 24> seen{}; // All orders of 4 samples, over many epochs.
  Plan plan({.samples = 4, .global_batch = 4, .seed = 3});
  constexpr int epochs = 24000;
  for (std::uint64_t e = 0; e < epochs; ++e) {
    const auto ids = ids_of_epoch(plan, e, 1);
    int code = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      int smaller = 0;
      for (std::size_t j = i + 1; j < 4; ++j) smaller += ids[j] < ids[i];
      code = code * static_cast<int>(4 - i) + smaller;
    }
    ++seen[static_cast<std::size_t>(code)];
  }
  double chi2 = 0;
  for (int count : seen) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 70.5); // 23 degrees of freedom, the 1e-6 quantile.
}

TEST(Plan, RefusesWhatCannotBePlanned) {
  EXPECT_THROW(Plan({.samples = 0, .global_batch = 1}), Error);
  EXPECT_THROW(Plan({.samples = 5, .global_batch = 0}), Error);
  EXPECT_THROW(Plan({.samples = 5, .global_batch = 6}), Error);
  EXPECT_THROW(Plan({.samples = 5, .global_batch = 2, .world_size = 3}), Error);
}

}  // namespace
}  // namespace millrace
