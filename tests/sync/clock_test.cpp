#include "pipeline/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

TEST(StageClocks, SumOverThreads) {
  StageClocks clocks(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&clocks, t] {
      for (int i = 0; i < 1000; ++i) clocks.add(t, Stage::decode, std::chrono::microseconds(2), 4);
    });
  while (clocks.stats(Stage::decode).messages < 2000) std::this_thread::yield(); // Readable at any time.
  for (auto& t : threads) t.join();
  const StageStats stats = clocks.stats(Stage::decode);
  EXPECT_EQ(stats.images, 8000u);
  EXPECT_NEAR(stats.busy_seconds, 0.004, 1e-9);
  EXPECT_EQ(stats.histogram[static_cast<std::size_t>(StageStats::bucket_of(2000))], 2000u);
  EXPECT_EQ(clocks.threads_seen(), 2);
}

TEST(StageClocks, BucketsAreNarrowAndMeet) {
  int last = -1;
  for (std::uint64_t ns = 0; ns < 100'000; ++ns) {
    const int b = StageStats::bucket_of(ns);
    ASSERT_TRUE(b == last || b == last + 1) << ns;
    ASSERT_LT(ns, StageStats::end_of(b)) << ns;
    if (b > 0) ASSERT_GE(ns, StageStats::end_of(b - 1)) << ns;
    if (ns >= 4) ASSERT_LE(double(StageStats::end_of(b)), 1.25 * double(StageStats::end_of(b - 1))) << ns;
    last = b;
  }
  EXPECT_EQ(StageStats::bucket_of(~std::uint64_t{0}), StageStats::kBuckets - 1);
}

TEST(StageClocks, KeepTheSlowestOfAllThreads) {
  StageClocks clocks(2);
  for (std::uint64_t i = 0; i < 100; ++i) clocks.add(int(i % 2), Stage::read, std::chrono::microseconds(i * 7919 % 100), 1, i);
  clocks.add(0, Stage::batch, std::chrono::seconds(9), 64); // Of no one sample.
  const auto slowest = clocks.slowest();
  ASSERT_EQ(slowest.size(), std::size_t(StageClocks::kSlowest));
  for (std::size_t k = 0; k < slowest.size(); ++k) EXPECT_NEAR(slowest[k].seconds, 1e-6 * (99 - double(k)), 1e-12);
  EXPECT_EQ(slowest[0].id * 7919 % 100, 99u);
  clocks.forget_slowest();
  EXPECT_TRUE(clocks.slowest().empty());
}

TEST(StageClocks, AreSlowByTheirOwnTimeAlone) {
  using std::chrono::milliseconds;
  StageClocks clocks(1);
  for (std::uint64_t i = 0; i < 50; ++i) {  // A slow disk: decoding takes 1 ms beyond the 60 of the read inside of it.
    clocks.add(0, Stage::read, milliseconds(60), 1, i);
    clocks.add(0, Stage::decode, milliseconds(61), 1, i, milliseconds(60));
  }
  for (const SlowSample& slow : clocks.slowest()) EXPECT_EQ(slow.stage, Stage::read);
  EXPECT_NEAR(clocks.stats(Stage::decode).busy_seconds, 3.05, 1e-9);
}

}  // namespace
}  // namespace millrace
