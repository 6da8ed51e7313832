#include "train/running_median.h"

#include <chrono>
#include <stop_token>
#include <thread>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

TEST(RunningMedian, IsTheMiddleOfFewValues) {
  train::RunningMedian median;
  EXPECT_EQ(median.value(), 0);
  for (const double v : {5.0, 1.0, 9.0}) median.add(v);
  EXPECT_EQ(median.value(), 5);
}

TEST(RunningMedian, OfManyIsThatOfEveryNth) {
  train::RunningMedian median;
  const int count = 1'000'000;
  for (int i = 0; i < count; ++i) median.add(i);
  EXPECT_NEAR(median.value(), count / 2, 1e-3 * count);
}

/// Two ranks of one process, one of which steps ten times as long.
TEST(Ranks, SayHowLongTheirOwnStepsTake) {
  auto worlds = millrace_train_api()->local_worlds(2, 30);
  std::vector<train::EpochResult> results(2);
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&, r, world = worlds[static_cast<std::size_t>(r)]] {
      auto options = options_for("sleep");
      options.step_microseconds = r == 0 ? 1000 : 10'000;
      options.world = world;
      MemoryStream stream(digits(), 4, 20);
      results[static_cast<std::size_t>(r)] = train_on(*make(options), stream);
    });
  for (auto& thread : threads) thread.join();
  for (const train::EpochResult& result : results) {  // Both know of both.
    ASSERT_EQ(result.ranks.size(), 2u);
    EXPECT_GE(result.ranks[0].step_busy_seconds, 0.001);
    EXPECT_GE(result.ranks[1].step_busy_seconds, 0.010);
    EXPECT_LT(result.ranks[0].step_busy_seconds, result.ranks[1].step_busy_seconds);
    EXPECT_GE(result.ranks[0].step_own_seconds, result.ranks[0].step_busy_seconds);
  }
}

TEST(Trainer, SaysWhatItIsDoingToOtherThreads) {
  auto options = options_for("sleep");
  options.step_microseconds = 20'000;
  const auto trainer = make(options);
  EXPECT_STREQ(trainer->doing().what, "rests");
  std::stop_source stop;
  std::thread thread([&] {
    MemoryStream stream(digits(), 1, 3000);  // A minute, unless it is stopped.
    trainer->train_epoch(stream, stop.get_token(), {});
  });
  train::Doing seen;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1); std::chrono::steady_clock::now() < end;) {
    seen = trainer->doing();
    if (seen.step > 1 && std::string(seen.what) == "forward") break;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  stop.request_stop();
  thread.join();
  EXPECT_STREQ(seen.what, "forward");
  EXPECT_EQ(seen.epoch, 1u);
  EXPECT_STREQ(trainer->doing().what, "rests");
}

}  // namespace
}  // namespace millrace::testing
