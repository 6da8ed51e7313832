#include "pipeline/trace.h"

#include <gtest/gtest.h>

#include <thread>

#include "pipeline/queue.h"

namespace millrace {
namespace {

std::vector<std::uint64_t> numbers(const TraceLane& lane) {
  std::vector<std::uint64_t> out;
  lane.each([&](const TraceEvent& event) { out.push_back(event.number); });
  return out;
}

TEST(Trace, KeepsTheNewestEventsAndCountsTheOthers) {
  Trace trace;
  TraceLane& lane = trace.lane("loader", "worker 0");
  const std::uint64_t more = 1000;
  for (std::uint64_t n = 0; n < TraceLane::kMost + more; ++n) lane.span("decode", {}, {}, TraceEvent::Of::sample, n);
  EXPECT_EQ(lane.dropped(), more);
  const auto kept = numbers(lane);
  ASSERT_EQ(kept.size(), TraceLane::kMost);
  EXPECT_EQ(kept.front(), more);
  EXPECT_EQ(kept.back(), TraceLane::kMost + more - 1);
}

TEST(Trace, ALaneOfTheSameNameGoesOn) {
  Trace trace;
  TraceLane& first = trace.lane("loader", "worker 0");
  EXPECT_EQ(&trace.lane("loader", "worker 0"), &first);
  EXPECT_NE(&trace.lane("evaluation loader", "worker 0"), &first);
  EXPECT_EQ(trace.groups().size(), 2u);
}

TEST(Trace, ThreadsWriteTheirOwnLanesSideBySide) {
  Trace trace;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&trace, t] {
      TraceLane& lane = trace.lane("loader", "worker " + std::to_string(t));
      for (std::uint64_t n = 0; n < 10'000; ++n) lane.span("decode", {}, {}, TraceEvent::Of::sample, n);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& lane : trace.lanes()) EXPECT_EQ(numbers(*lane).size(), 10'000u);
}

TEST(Trace, AQueueCountsItsDepthInOrder) {
  Trace trace;
  TraceLane& lane = trace.lane("loader", "queue");
  MeasuredQueue<int> queue(2, &lane);
  std::thread consumer([&] {
    while (queue.pop()) {}
  });
  for (int i = 0; i < 1000; ++i) queue.push(i);
  queue.close();
  consumer.join();
  SteadyClock::time_point last;
  std::uint64_t depth = 0;
  lane.each([&](const TraceEvent& event) {
    EXPECT_GE(event.begin, last);
    EXPECT_EQ(std::max<std::uint64_t>(depth, event.number) - std::min<std::uint64_t>(depth, event.number), 1u);
    last = event.begin;
    depth = event.number;
  });
  EXPECT_EQ(depth, 0u);
}

}  // namespace
}  // namespace millrace
