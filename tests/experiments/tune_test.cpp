#include "experiments/tune.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace {
namespace {

std::vector<Tried> tried(const std::vector<double>& rates) {
  std::vector<Tried> out;
  for (const double rate : rates) out.push_back({.workers = int(out.size()), .rates = {rate}});
  return out;
}

/// A worker loads 500 images/s on a core of its own; the trainer takes 1,400.
Rates one_worker(double trainer = 1400, double trainer_cpu = 1 / 1400.0) {
  return {.loader = 500, .transfer = 1e12, .compute = trainer, .reduced = trainer, .loader_cpu = 2e-3, .reduced_cpu = trainer_cpu, .cores = 8, .workers = 1};
}

TEST(Knee, IsTheFewestWithinTwoPercentOfTheBest) {
  EXPECT_EQ(knee_of(tried({300, 600, 990, 1000, 1001})), 2u);
  EXPECT_EQ(knee_of(tried({300, 600, 900, 1000, 700})), 3u);
  EXPECT_EQ(knee_of(tried({100})), 0u);
}

/// Settings with their readings, the one at `kept` being the spec's.
std::vector<Tried> read(const std::vector<std::vector<double>>& rates, std::size_t kept) {
  std::vector<Tried> out;
  for (const auto& r : rates) out.push_back({.workers = int(out.size()), .rates = r, .kept = out.size() == kept});
  return out;
}

TEST(Differ, IsWhatTheSpreadDoesNotExplain) {
  const auto t = read({{100, 101, 99}, {110, 111, 109}, {104, 96, 108}, {100}, {200}}, 0);
  EXPECT_TRUE(differ(t[0], t[1]));
  EXPECT_FALSE(differ(t[0], t[2]));
  EXPECT_FALSE(differ(t[3], t[4])) << "one reading each";
}

TEST(Differ, DoesNotTrustRoundsThatAgreeToTheLastDigit) {
  const auto t = read({{100, 100}, {100.5, 100.5}}, 0);
  EXPECT_FALSE(differ(t[0], t[1]));
}

TEST(Choose, KeepsWhatTheSpecHasUnlessAnotherIsFasterByMoreThanTheSpread) {
  // Four depths, one reading each: 66.99 images/s is no reason to change from 65.97.
  const Choice one = choose(read({{64.9}, {65.97}, {66.99}, {66.1}}, 1), kNearDepth, false);
  EXPECT_FALSE(one.found);
  EXPECT_EQ(one.at, 1u);
  const Choice noisy = choose(read({{64, 67, 63}, {66, 62, 68}, {67, 65, 70}}, 1), kNearDepth, false);
  EXPECT_FALSE(noisy.found);
  const Choice clear = choose(read({{50, 51, 50}, {60, 61, 60}, {80, 81, 80.5}, {80, 81, 80.6}}, 1), kNearDepth, false);
  EXPECT_TRUE(clear.found);
  EXPECT_EQ(clear.at, 2u);
}

TEST(Choose, TakesFewerWorkersThatAreAsFastButNotOnOneReading) {
  const Choice fewer = choose(read({{50, 51}, {100, 101}, {101, 100}, {101, 101}}, 3), kNear, true);
  EXPECT_TRUE(fewer.found);
  EXPECT_EQ(fewer.at, 1u);
  EXPECT_FALSE(choose(read({{50}, {100}, {101}, {101}}, 3), kNear, true).found);
}

TEST(Choose, TakesTheKneeWhereWhatTheSpecHasDoesNotFit) {
  const Choice choice = choose(read({{50, 51}, {100, 101}}, 7), kNear, true);
  EXPECT_TRUE(choice.found);
  EXPECT_EQ(choice.at, 1u);
}

TEST(WorthTrying, HoldsWhatTheSpecHas) {
  const std::vector<int> list = worth_trying(one_worker(30'000), 128, 1, 17);
  EXPECT_TRUE(std::ranges::find(list, 17) != list.end());
  EXPECT_LE(list.size(), 9u);
}

TEST(WorthTrying, HoldsWhatTheTrainerNeedsAndWhatTheCoresHold) {
  const std::vector<int> list = worth_trying(one_worker(), 8, 1);
  EXPECT_TRUE(std::ranges::is_sorted(list));
  for (const int w : {0, 1, 2, 3, 4, 8}) EXPECT_TRUE(std::ranges::find(list, w) != list.end()) << w;
}

TEST(WorthTrying, StaysShortOnLargeHostsAndForHungryTrainers) {
  Rates large = one_worker(30'000);
  large.cores = 128;
  const std::vector<int> list = worth_trying(large, 128, 1);
  EXPECT_LE(list.size(), 9u);
  EXPECT_TRUE(std::ranges::find(list, 60) != list.end());  // 30,000 / 500.
}

TEST(WorthTrying, GoesNoFurtherThanTheCoresForATrainerOfNoTime) {
  Rates idle = one_worker(1e12, 0);
  idle.cores = 2;
  EXPECT_EQ(worth_trying(idle, 2, 1), (std::vector<int>{0, 1, 2, 3}));
}

TEST(WorthTrying, GoesBeyondTheCoresForReadersThatWait) {
  Rates waiting = one_worker();
  waiting.loader = 50;
  waiting.loader_cpu = 1e-4;
  const std::vector<int> list = worth_trying(waiting, 2, 1);
  EXPECT_TRUE(std::ranges::find(list, 28) != list.end());  // 1,400 / 50.
}

TEST(WorkersByRates, CoverTheTrainerAndNoMore) {
  EXPECT_EQ(workers_by_rates(one_worker(), 8, 1), 3);  // 3 x 500 is enough for 1,400.
  EXPECT_EQ(workers_by_rates(one_worker(200), 8, 1), 1);
}

TEST(WorkersByRates, LeaveTheTrainerItsCores) {
  Rates shared = one_worker(1400, 2 / 1400.0);  // The trainer keeps two cores busy.
  shared.cores = 2;
  // Cores are all: 2 / (2 ms + 1.43 ms) = 583 images/s, which two workers can reach.
  EXPECT_EQ(workers_by_rates(shared, 2, 1), 2);
}

TEST(WorkersByRates, TakeNoneWhereLoadingIsNothing) {
  Rates trivial = one_worker(100, 1e-2);
  trivial.loader = 1e6;
  trivial.loader_cpu = 1e-6;
  EXPECT_EQ(workers_by_rates(trivial, 2, 1), 0);
}

TEST(WithWorkers, ReadersThatWaitGoBeyondTheCores) {
  Rates waiting = one_worker();
  waiting.loader_cpu = 1e-4;  // Of 2 ms that a picture takes, 1.9 are the disk's.
  waiting.cores = 2;
  EXPECT_DOUBLE_EQ(with_workers(waiting, 10).loader, 5000);
  EXPECT_DOUBLE_EQ(with_workers(waiting, 100).loader, 20'000);
}

}  // namespace
}  // namespace millrace
