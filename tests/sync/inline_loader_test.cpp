// workers = 0 uses all of the loader but the graph: rows, slots' home, streams.
#include <gtest/gtest.h>

#include <thread>

#include "tests/pipeline/fakes.h"

namespace millrace::test {
namespace {

TEST(InlineLoader, RanksLoadSideBySideAndBatchesDieOnOtherThreads) {
  FakeSource source(400);
  FakeRecipe recipe;
  LoaderOptions o;
  o.workers = 0, o.batch = 20, o.batches = 20, o.world_size = o.local_ranks = 2;
  Loader loader(source, recipe, o);
  MeasuredQueue<Batch> hand_over(4);
  std::vector<std::thread> trainers;
  for (int r = 0; r < 2; ++r)
    trainers.emplace_back([&, r] {
      while (auto batch = loader.stream(r).next()) hand_over.push(std::move(*batch));
    });
  std::uint64_t rows = 0;
  std::thread other([&] {
    while (auto batch = hand_over.pop()) rows += static_cast<std::uint64_t>(batch->rows());
  });
  for (auto& t : trainers) t.join();
  hand_over.close();
  other.join();
  EXPECT_EQ(rows, 400u);
}

TEST(InlineLoader, StopsWhenAskedFromAnotherThread) {
  FakeSource source(400);
  FakeRecipe recipe;
  LoaderOptions o;
  o.workers = 0, o.batch = 20;
  Loader loader(source, recipe, o);
  std::thread stopper([&] { loader.request_stop(); });
  drain(loader.stream()); // Endless but for the stop.
  stopper.join();
  EXPECT_FALSE(loader.stream().next());
}

TEST(InlineLoader, IsLookedAtWhileItLoads) {
  FakeSource source(400);
  FakeRecipe recipe;
  LoaderOptions o;
  o.workers = 0, o.batch = 20, o.batches = 40;
  Loader loader(source, recipe, o);
  std::atomic<bool> done{false};
  std::thread trainer([&] {
    drain(loader.stream());
    done = true;
  });
  while (!done) {
    const LoaderSnapshot now = loader.snapshot();
    ASSERT_EQ(now.workers.size(), 1u);
    ASSERT_EQ(now.slots.size(), 1u);
    EXPECT_LE(now.slots[0].batch, 40u);
  }
  trainer.join();
}

}  // namespace
}  // namespace millrace::test
