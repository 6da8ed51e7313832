#include "pipeline/queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace millrace {
namespace {

TEST(MeasuredQueue, KeepsTheOrderAcrossThreads) {
  MeasuredQueue<int> queue(2);
  std::thread producer([&] {
    for (int i = 0; i < 5000; ++i) queue.push(i);
    queue.close();
  });
  int expected = 0;
  while (auto value = queue.pop()) ASSERT_EQ(*value, expected++);
  producer.join();
  EXPECT_EQ(expected, 5000);
  EXPECT_EQ(queue.stats().pops, 5000u);
}

TEST(MeasuredQueue, ClosingWakesEveryWaiter) {
  MeasuredQueue<int> queue(1);
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_FALSE(queue.pop()); });
  queue.close();
  for (auto& w : waiters) w.join();
  EXPECT_FALSE(queue.push(1));
}

TEST(MeasuredQueue, DrainingHandsBackWhatWasInside) {
  MeasuredQueue<int> queue(1);
  queue.push(1);
  queue.push(2);
  EXPECT_EQ(queue.drain().size(), 2u);
  EXPECT_FALSE(queue.try_pop());
}

TEST(MeasuredQueue, TellsTimeEmptyFromTimeFull) {
  MeasuredQueue<int> queue(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  queue.push(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const QueueStats stats = queue.stats();
  EXPECT_GE(stats.empty_seconds, 0.004);
  EXPECT_GE(stats.full_seconds, 0.004);
  EXPECT_NEAR(stats.seconds, stats.empty_seconds + stats.full_seconds, 1e-9);
}

}  // namespace
}  // namespace millrace
