#include "pipeline/activity.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

TEST(Activity, IsReadWholeWhileItChanges) {
  Activity activity;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t n = 0; n < 200'000; ++n) activity.set(static_cast<unsigned>(n % 16), n, SteadyClock::now());
    done = true;
  });
  while (!done) {
    const Activity::Seen seen = activity.seen();
    EXPECT_EQ(seen.kind, seen.number % 16);
  }
  writer.join();
}

TEST(WorkerActivities, TellEachWorkersStageAndSample) {
  WorkerActivities workers(2);
  const auto since = SteadyClock::now();
  workers.works(1, Stage::decode, 17, since);
  EXPECT_EQ(workers.seen(0).kind, 0u);
  EXPECT_EQ(workers.seen(1).kind, 1u + static_cast<unsigned>(Stage::decode));
  EXPECT_EQ(workers.seen(1).number, 17u);
  EXPECT_EQ(workers.seen(1).since, since);
  workers.rests(1, since);
  EXPECT_EQ(workers.seen(1).kind, 0u);
}

TEST(During, LeavesNoTimeThatNeverWas) {
  Activity activity;
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    for (int n = 0; n < 100'000; ++n) const During wait(activity, 1);
    done = true;
  });
  while (!done) {  // Seen at any moment, a wait has lasted seconds at most, not since the clock began.
    const Activity::Seen seen = activity.seen();
    if (seen.kind == 1) EXPECT_LT(SteadyClock::now() - seen.since, std::chrono::minutes(1));
  }
  waiter.join();
}

TEST(During, EndsWithItsScope) {
  Activity activity;
  {
    const During wait(activity, 1, 5);
    EXPECT_EQ(activity.seen().kind, 1u);
  }
  EXPECT_EQ(activity.seen().kind, 0u);
}

}  // namespace
}  // namespace millrace
