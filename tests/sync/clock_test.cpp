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
  EXPECT_EQ(stats.histogram[10], 2000u); // 2 us lies in [1024, 2048) ns.
  EXPECT_EQ(clocks.threads_seen(), 2);
}

}  // namespace
}  // namespace millrace
