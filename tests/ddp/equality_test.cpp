// A run is the same run on any number of ranks: batches, weights, losses, scores.
#include <gmock/gmock.h>

#include "tests/ddp/ranks_fixture.h"

namespace millrace::testing {
namespace {

/// Trains as `training` says on 1 rank and on `ranks`, and expects the same of both, and of every rank.
void expect_equal_to_one_rank(Training training, const std::vector<int>& ranks, double tolerance = 1e-6) {
  training.ranks = 1;
  const auto alone = training.run();
  ASSERT_EQ(alone[0].thrown, "");
  for (const int size : ranks) {
    SCOPED_TRACE(std::to_string(size) + " ranks");
    training.ranks = size;
    const auto outcomes = training.run();
    for (const auto& outcome : outcomes) {
      ASSERT_EQ(outcome.thrown, "");
      EXPECT_EQ(outcome.weights, outcomes[0].weights);
      ASSERT_EQ(outcome.epochs.size(), alone[0].epochs.size());
      for (std::size_t e = 0; e < outcome.epochs.size(); ++e) {
        const auto& ours = outcome.epochs[e];
        const auto& theirs = alone[0].epochs[e];
        EXPECT_EQ(ours.digest, theirs.digest);
        EXPECT_EQ(ours.images, theirs.images);
        EXPECT_EQ(ours.steps, theirs.steps);
        EXPECT_EQ(ours.complete, theirs.complete);
        EXPECT_NEAR(ours.loss, theirs.loss, 1e-5);
        EXPECT_EQ(ours.ranks.size(), static_cast<std::size_t>(size));
      }
      EXPECT_EQ(outcome.evaluation.scored, alone[0].evaluation.scored);
      EXPECT_EQ(outcome.evaluation.class_count, alone[0].evaluation.class_count);
      EXPECT_NEAR(outcome.evaluation.loss, alone[0].evaluation.loss, 1e-5);
    }
    EXPECT_LT(distance(outcomes[0].weights, alone[0].weights), tolerance);
  }
}

TEST(RanksAreOneRun, ToyAfterFiftyStepsOnOneTwoAndFourRanks) {
  expect_equal_to_one_rank({.samples = 50 * 128, .batch = 128}, {2, 4});
}

TEST(RanksAreOneRun, FourRanksOf64RowsEqualTwoOf128) {
  const Training two{.ranks = 2, .samples = 50 * 256, .batch = 256}, four{.ranks = 4, .samples = 50 * 256, .batch = 256};
  EXPECT_LT(distance(four.run()[0].weights, two.run()[0].weights), 1e-6);
}

// Ten steps: at a kink of ReLU or max-pool the last bit picks the side, and after some dozens of steps two runs have parted by that alone
// (1e-7 to 2e-3 after fifty, by the processor's instructions).
TEST(RanksAreOneRun, LeNetAfterTenStepsInSmallBuckets) {
  Training training{.samples = 10 * 64, .batch = 64, .options = Training::u8_options("lenet")};
  training.options.bucket_mb = 0.02;
  expect_equal_to_one_rank(training, {2, 4});
}

TEST(RanksAreOneRun, AdamWToo) {
  Training training{.samples = 20 * 64};
  training.options.optimizer = "adamw";
  training.options.lr = 1e-3;
  training.options.weight_decay = 0.01;
  expect_equal_to_one_rank(training, {2, 4}, 1e-5); // Adam divides by |g|: rounding of tiny gradients grows.
}

TEST(RanksAreOneRun, SetsThatNeitherTheBatchNorTheRanksDivide) {
  for (const std::uint64_t samples : {65u, 66u, 67u, 127u, 193u})
    for (const std::uint64_t batch : {13u, 64u}) {
      SCOPED_TRACE(std::to_string(samples) + " samples, batches of " + std::to_string(batch));
      expect_equal_to_one_rank({.samples = samples, .batch = batch, .epochs = 3}, {2, 3, 4});
    }
}

TEST(RanksAreOneRun, ATailOfOneRowOnFourRanks) { expect_equal_to_one_rank({.samples = 9, .batch = 4, .epochs = 4}, {2, 4}); }

TEST(RanksAreOneRun, SkippedSamplesLeaveRanksWithUnequalRows) {
  Training training{.samples = 200, .batch = 32, .epochs = 2};
  training.bad = [](std::uint64_t index) { return index % 7 == 3; };
  expect_equal_to_one_rank(training, {2, 4});
}

TEST(RanksAreOneRun, ARankWhoseRowsAreAllSkipped) {
  Training training{.samples = 24, .batch = 4, .epochs = 2};
  training.bad = [](std::uint64_t index) { return index < 14; };
  expect_equal_to_one_rank(training, {2, 4});
}

TEST(RanksAreOneRun, ABatchThatIsSkippedWholeChangesNothing) {
  Training training{.samples = 8, .batch = 4, .epochs = 2};
  training.bad = [](std::uint64_t) { return true; };
  training.ranks = 2;
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[0].weights, outcomes[1].weights);
  EXPECT_EQ(outcomes[0].epochs[1].images, 0u);
  EXPECT_EQ(outcomes[0].epochs[1].loss, 0);
}

TEST(RanksAreOneRun, ABatchThatIsSkippedWholeChangesNoStatisticsOfSyncBatchNorm) {
  Training training{.ranks = 2, .samples = 24, .batch = 4, .epochs = 3, .options = Training::u8_options("toy-norm")};
  training.options.norm = train::Norm::syncbn;
  training.bad = [](std::uint64_t index) { return index % 5 != 0; }; // Some batches keep nothing or a single row a rank.
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[0].weights, outcomes[1].weights);
  EXPECT_THAT(outcomes[0].thrown, ::testing::AnyOf("", ::testing::HasSubstr("1 value a channel")));
  training.bad = [](std::uint64_t) { return true; };
  EXPECT_EQ(training.run()[0].thrown, "");
}

TEST(RanksAreOneRun, AccumulatedGradientsWithoutSyncEqualTheLargerBatch) {
  Training large{.samples = 12 * 64, .batch = 64};
  Training small = large;
  small.batch = 16;
  small.options.accumulate = 4;
  const auto expected = large.run();
  for (const int ranks : {1, 2}) {
    small.ranks = ranks;
    const auto outcomes = small.run();
    ASSERT_EQ(outcomes[0].thrown, "");
    EXPECT_EQ(outcomes[0].epochs[0].steps, 48u);
    EXPECT_LT(distance(outcomes[0].weights, expected[0].weights), 1e-6) << ranks;
  }
}

TEST(RanksAreOneRun, AnEpochsTailEndsAnAccumulationEarly) {
  Training training{.samples = 7 * 16 + 5, .batch = 16, .epochs = 2};
  training.options.accumulate = 3;
  expect_equal_to_one_rank(training, {2});
}

TEST(RanksAreOneRun, BucketsOfAnySizeGiveTheSameBits) {
  Training training{.ranks = 2, .samples = 10 * 64, .options = Training::u8_options("lenet")};
  const auto expected = training.run()[0].weights;
  for (const double mb : {0.0, 0.01, 0.1}) {
    training.options.bucket_mb = mb;
    EXPECT_EQ(training.run()[0].weights, expected) << mb;
  }
}

TEST(RanksAreOneRun, TwoRunsGiveTheSameBits) {
  const Training training{.ranks = 4, .samples = 600, .options = Training::u8_options("lenet")};
  EXPECT_EQ(training.run()[0].weights, training.run()[0].weights);
}

TEST(RanksAreOneRun, SyncBatchNormMakesARanksBatchTheGlobalOne) {
  for (const bool per_parameter : {false, true}) {
    Training training{.samples = 6 * 32 + 3, .batch = 32, .epochs = 2, .options = Training::u8_options("toy-norm")};
    training.options.norm = train::Norm::syncbn;
    if (per_parameter) training.options.bucket_mb = 0;
    expect_equal_to_one_rank(training, {2, 4}, 2e-6);
  }
}

TEST(RanksAreOneRun, BatchNormOfEachRankIsAnotherRun) {
  Training training{.samples = 6 * 32, .batch = 32, .options = Training::u8_options("toy-norm")};
  const auto alone = training.run();
  training.ranks = 2;
  EXPECT_GT(distance(training.run()[0].weights, alone[0].weights), 5e-6);
}

TEST(Buffers, AreRankZerosOrEachRanksOwnOrTheirMean) {
  Training training{.ranks = 2, .samples = 6 * 32, .batch = 32, .options = Training::u8_options("toy-norm")};
  const auto own_scores = [&](train::Buffers buffers, bool averaged) {
    training.options.buffers = buffers;
    std::vector<std::vector<float>> seen(2);
    training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
      train_on(trainer, stream);
      MemoryStream none(training.options.input, 4, 0);
      if (averaged) trainer.evaluate(none, {});
      MemoryStream rows(training.options.input, 4, 1);
      seen[static_cast<std::size_t>(rank)] = outputs_of(trainer, rows.lend(0));
    };
    training.run();
    return seen;
  };
  const auto broadcast = own_scores(train::Buffers::broadcast, false), own = own_scores(train::Buffers::per_rank, false),
             before = own_scores(train::Buffers::average, false), mean = own_scores(train::Buffers::average, true);
  EXPECT_EQ(broadcast[0], broadcast[1]);
  EXPECT_NE(own[0], own[1]);
  EXPECT_EQ(broadcast[0], own[0]);
  EXPECT_EQ(before, own);
  EXPECT_EQ(mean[0], mean[1]);
  EXPECT_NE(mean[0], own[0]);
}

TEST(DataParallel, ReplicasThatShareABatchAreOneRun) {
  for (const char* model : {"toy", "lenet"})
    for (const int replicas : {2, 3, 4}) {
      Training training{.samples = 10 * 50 + 1, .batch = 50, .epochs = 2, .options = Training::u8_options(model)}; // The tail has one row.
      const auto alone = training.run();
      training.options.replicas = replicas;
      const auto outcome = training.run();
      ASSERT_EQ(outcome[0].thrown, "");
      EXPECT_EQ(outcome[0].epochs[1].digest, alone[0].epochs[1].digest);
      EXPECT_NEAR(outcome[0].epochs[1].loss, alone[0].epochs[1].loss, 1e-5);
      EXPECT_LT(distance(outcome[0].weights, alone[0].weights), 1e-6) << model << ' ' << replicas;
      EXPECT_GT(outcome[0].epochs[1].phases.reduce, 0);
    }
}

TEST(DataParallel, KeepsTheRunningStatisticsOfTheFirstReplica) {
  Training training{.samples = 64, .batch = 32, .options = Training::u8_options("toy-norm")};
  std::vector<float> buffers;
  training.instead = [&](int, BatchStream& stream, train::Trainer& trainer) {
    train_on(trainer, stream);
    buffers = buffers_of(trainer);
  };
  training.run();
  const auto whole = buffers;
  training.options.replicas = 2;
  training.run();
  EXPECT_NE(buffers, whole); // Of half the rows.
  EXPECT_LT(distance(buffers, whole), 0.2);
}

TEST(RanksBooks, CloseOnEveryRankAndNameIt) {
  const Training training{.ranks = 2, .samples = 20 * 64, .epochs = 3, .options = Training::u8_options("lenet")};
  for (const auto& outcome : training.run()) {
    ASSERT_EQ(outcome.epochs.size(), 3u);
    std::vector<double> least(2, 1);
    for (const auto& result : outcome.epochs) {
      ASSERT_EQ(result.ranks.size(), 2u);
      EXPECT_EQ(result.ranks[1].rank, 1);
      for (std::size_t r = 0; r < 2; ++r) {
        const auto& rank = result.ranks[r];
        EXPECT_EQ(rank.images, 10u * 64);
        EXPECT_GT(rank.phases.reduce, 0);
        EXPECT_EQ(rank.device, "cpu (1 thread)");
        EXPECT_NEAR(rank.phases.sum() + rank.unaccounted_seconds, rank.wall_seconds, 1e-9);
        least[r] = std::min(least[r], unbooked(rank));
      }
    }
    for (std::size_t r = 0; r < 2; ++r) EXPECT_LE(least[r], 0.01) << "rank " << r;
  }
}

TEST(RanksBooks, AllReduceBesideBackwardIsBookedAsHidden) {
  Training training{.ranks = 2, .samples = 60 * 64, .options = Training::u8_options("lenet")};
  EXPECT_EQ(training.run()[0].epochs[0].reduce_hidden_seconds, 0); // One bucket.
  training.options.bucket_mb = 0;
  EXPECT_GT(training.run()[0].epochs[0].reduce_hidden_seconds, 0);
}

}  // namespace
}  // namespace millrace::testing
