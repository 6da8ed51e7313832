#include "pipeline/loader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/pipeline/fakes.h"

namespace millrace::test {
namespace {

class LoaderTest : public testing::Test {
 protected:
  LoaderOptions options(int workers) const {
    LoaderOptions o;
    o.workers = workers, o.batch = 10, o.seed = 9, o.rows_per_message = 3;
    o.batches = 22; // Two epochs of 103 rows: ten batches and a tail of three, twice.
    return o;
  }
  Delivered load(const LoaderOptions& o) const {
    Loader loader(source, recipe, o);
    return drain(loader.stream());
  }
  FakeSource source{103};
  FakeRecipe recipe;
};

TEST_F(LoaderTest, TheDigestIsTheSameForAnyWorkersAndPrefetch) {
  const Delivered inline_run = load(options(0));
  EXPECT_EQ(inline_run.rows, 206u);
  for (int workers : {1, 2, 3, 8})
    for (int prefetch : {1, 2, 8}) {
      LoaderOptions o = options(workers);
      o.prefetch = prefetch;
      EXPECT_EQ(load(o).digest, inline_run.digest) << workers << " workers, prefetch " << prefetch;
    }
}

TEST_F(LoaderTest, WhatRowsLeaveToTheDeviceFollowsThemWhereOthersAreSkipped) {
  source.bad = [](std::uint64_t id) { return id % 4 == 1; };
  recipe.erases = true;
  for (const int workers : {0, 3}) {
    LoaderOptions o = options(workers);
    o.faults.action = OnBadSample::skip;
    Loader loader(source, recipe, o);
    Buffer buffer;
    int rows = 0;
    while (std::optional<Batch> batch = loader.stream().next()) {
      const Erasures& left = batch->erasures();
      ASSERT_EQ(left.boxes.size(), 2u * static_cast<std::size_t>(batch->rows()));
      for (int row = 0; row < batch->rows(); ++row, ++rows) {
        const auto i = static_cast<std::size_t>(row);
        const Erasures::Box &zeros = left.boxes[2 * i], &drawn = left.boxes[2 * i + 1];
        EXPECT_EQ(zeros.row, row);
        EXPECT_EQ(zeros.count, 0u);
        EXPECT_EQ(drawn.row, row);
        const std::uint8_t original = source.read(batch->ids()[i], buffer)->pixels.data[0];
        EXPECT_EQ(static_cast<std::uint8_t>(batch->images()[i * batch->format().bytes()] - original), left.values.at(drawn.first));
      }
    }
    EXPECT_GT(rows, 100);
  }
}

TEST_F(LoaderTest, EncodedSamplesTravelSinglyWhateverIsAskedFor) {
  FakeSource varied{103, 4, /*uniform_size=*/false}; // No common size: one file and one canvas a message.
  LoaderOptions o = options(2);
  o.make_decoder = [] { return nullptr; };
  Loader loader(varied, recipe, o);
  EXPECT_EQ(drain(loader.stream()).digest, load(options(0)).digest);
  EXPECT_EQ(loader.report().stages[static_cast<std::size_t>(Stage::augment)].stats.messages, 206u);
}

TEST_F(LoaderTest, TheDigestSeesTheBatchSize) {
  LoaderOptions o = options(1);
  o.batches = 11;
  const std::string digest = load(o).digest;
  o.batch = 11, o.batches = 10; // The same rows at the same places.
  EXPECT_NE(load(o).digest, digest);
}

TEST_F(LoaderTest, TheDigestChangesWithTheSeed) {
  LoaderOptions o = options(2);
  const std::string digest = load(o).digest;
  o.seed = 10;
  EXPECT_NE(load(o).digest, digest);
}

TEST_F(LoaderTest, ResumingAtAnyBatchGivesTheRest) {
  std::vector<std::string> of_batch; // Digest of every batch by itself.
  Loader whole(source, recipe, options(2));
  while (auto batch = whole.stream().next()) {
    Digest d(Digest::Of::pixels);
    d.add(*batch);
    of_batch.push_back(d.text());
  }
  ASSERT_EQ(of_batch.size(), 22u);
  for (std::uint64_t start = 0; start < 22; ++start) {
    LoaderOptions o = options(static_cast<int>(start % 4));
    o.first_batch = start, o.batches = 22 - start;
    Loader rest(source, recipe, o);
    std::uint64_t number = start;
    while (auto batch = rest.stream().next()) {
      Digest d(Digest::Of::pixels);
      d.add(*batch);
      EXPECT_EQ(batch->number(), number);
      EXPECT_EQ(d.text(), of_batch.at(number++));
    }
    EXPECT_EQ(number, 22u);
  }
}

TEST_F(LoaderTest, BatchesOfAllRanksMergeToTheWhole) {
  const std::string whole = load(options(1)).digest;
  for (int ranks : {2, 4})
    for (int workers : {0, 1, 2}) {
      LoaderOptions o = options(workers);
      o.world_size = o.local_ranks = ranks;
      Loader loader(source, recipe, o);
      std::vector<std::thread> trainers;
      std::vector<Digest> digests(static_cast<std::size_t>(ranks), Digest(Digest::Of::pixels));
      for (int r = 0; r < ranks; ++r)
        trainers.emplace_back([&, r] {
          while (auto batch = loader.stream(r).next()) digests[static_cast<std::size_t>(r)].add(*batch);
        });
      for (auto& t : trainers) t.join();
      for (int r = 1; r < ranks; ++r) digests[0].add(digests[static_cast<std::size_t>(r)]);
      EXPECT_EQ(digests[0].text(), whole) << ranks << " ranks, " << workers << " workers";
    }
}

TEST_F(LoaderTest, MarksTheEndOfEachEpoch) {
  Loader loader(source, recipe, options(2));
  std::vector<std::uint64_t> ends;
  while (auto batch = loader.stream().next()) {
    EXPECT_EQ(batch->epoch(), batch->number() / 11);
    if (batch->end_of_epoch()) ends.push_back(batch->number());
  }
  EXPECT_EQ(ends, (std::vector<std::uint64_t>{10, 21}));
}

TEST_F(LoaderTest, NeverHoldsMoreBatchesThanItsSlots) {
  LoaderOptions o = options(2);
  o.prefetch = 3, o.batches.reset();
  Loader loader(source, recipe, o);
  EXPECT_EQ(loader.bytes(), 5u * 10u * 16u);
  std::vector<Batch> held;
  for (int i = 0; i < 5; ++i) held.push_back(*loader.stream().next());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(loader.stream().try_next()); // All slots are out: the graph stands still.
  EXPECT_EQ(source.reads, 50u);
  held.clear();
  EXPECT_TRUE(loader.stream().next());
}

TEST_F(LoaderTest, RunsAsManyThreadsAsAskedFor) {
  for (int workers : {1, 2, 8}) {
    FakeRecipe slow;
    slow.on_apply = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    LoaderOptions o = options(workers);
    o.rows_per_message = 1, o.batches.reset();
    Loader loader(source, slow, o);
    // Twenty batches show whether there are too many; on a busy machine the last to begin may need more of them.
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (int taken = 0; taken < 20 || (loader.report().threads_seen < workers && std::chrono::steady_clock::now() < end); ++taken)
      ASSERT_TRUE(loader.stream().next());
    EXPECT_EQ(loader.report().threads_seen, workers);
  }
}

TEST_F(LoaderTest, ARangeOfNoBatchesEndsAtOnce) {
  for (int workers : {0, 1}) {
    LoaderOptions o = options(workers);
    o.batches = 0;
    EXPECT_EQ(load(o).batches, 0u);
  }
}

TEST_F(LoaderTest, BatchesMayOutliveTheLoader) {
  for (int workers : {0, 2}) {
    std::optional<Batch> kept;
    {
      Loader loader(source, recipe, options(workers));
      kept = loader.stream().next();
    }
    EXPECT_EQ(kept->rows(), 10);
    EXPECT_EQ(kept->labels()[0], static_cast<std::int64_t>(kept->ids()[0] % 2));
  }
}

TEST_F(LoaderTest, EveryStageHasCountedEveryImage) {
  Loader loader(source, recipe, options(2));
  drain(loader.stream());
  const LoaderReport report = loader.report();
  for (const auto& of : report.stages)
    if (of.stage != Stage::read) {
      EXPECT_EQ(of.stats.images, 206u) << name_of(of.stage);
    }
  EXPECT_EQ(report.images_delivered, 206u);
  EXPECT_EQ(report.queues.at(0).pops, 22u);
}

TEST_F(LoaderTest, RefusesWhatCannotRun) {
  const auto refused = [&](auto change) {
    LoaderOptions o = options(1);
    change(o);
    EXPECT_THROW(Loader(source, recipe, o), Error);
  };
  refused([](LoaderOptions& o) { o.workers = -1; });
  refused([](LoaderOptions& o) { o.workers = 100000; });
  refused([](LoaderOptions& o) { o.prefetch = 0; });
  refused([](LoaderOptions& o) { o.batch = 0; });
  refused([](LoaderOptions& o) { o.batch = 104; });
  refused([](LoaderOptions& o) { o.local_ranks = 2; });
}

}  // namespace
}  // namespace millrace::test
