#include "experiments/verdict.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace millrace {
namespace {

Reading reading(double median, double half_width = 0.01) { return {median, median * (1 - half_width), median * (1 + half_width), 9}; }

/// Two cores, one worker, one rank: the loader does 1,000 images/s and the trainer 500, each on a core of its own.
LegReadings legs() {
  LegReadings m;
  m.workers = 1;
  m.cores = 2;
  m.batch = 50;
  m.loader = reading(1000);
  m.compute = m.reduced = reading(500);
  m.transfer = reading(1e7);
  m.everything = reading(495);
  m.replayed = reading(499);
  m.loader_cpu = reading(1e-3);
  m.reduced_cpu = reading(2e-3);
  m.cores_there = {2, 2, 2, 9};
  m.cores_busy = {1.8, 1.8, 1.8, 9};
  m.waited = {0.01, 0.01, 0.01, 9};
  m.read_share = {0.1, 0.1, 0.1, 9};
  m.decode_share = {0.6, 0.6, 0.6, 9};
  m.half_step = reading(0.06);
  return m;
}
LegReadings slower_loader(double rate, double everything, double waited) {
  LegReadings m = legs();
  m.loader = reading(rate);
  m.everything = reading(everything);
  m.waited = {waited, waited, waited, 9};
  return m;
}
double rate_of(const LegReadings& m, const std::string& change) {
  for (const WhatIf& w : what_if(m))
    if (w.change.starts_with(change)) return w.rate;
  ADD_FAILURE() << "no what-if " << change;
  return 0;
}

TEST(Reading, IntervalHoldsTheMedianInNineteenCasesOfTwenty) {
  // The 2nd and 8th of nine values: 1 - 2 (1 + 9) / 2^9 = 0.961.
  const Reading nine = Reading::of({9, 1, 8, 2, 7, 3, 6, 4, 5});
  EXPECT_EQ(nine.median, 5);
  EXPECT_EQ(nine.low, 2);
  EXPECT_EQ(nine.high, 8);
  const Reading four = Reading::of({4, 1, 3, 2});
  EXPECT_EQ(four.median, 2.5);
  EXPECT_EQ(four.low, 1);
  EXPECT_EQ(four.high, 4);
  EXPECT_FALSE(Reading::of({}));
}

TEST(Reading, IntervalsCoverTheMedianOfSkewedNoise) {
  std::mt19937 random(7);
  std::exponential_distribution<double> noise(1);
  int covered = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> values(12);
    for (double& v : values) v = noise(random);
    const Reading r = Reading::of(values);
    covered += r.low <= std::log(2.0) && std::log(2.0) <= r.high;
  }
  EXPECT_GE(covered, 1880);  // At least 95 %, less three standard deviations.
}

TEST(Predict, IsTheLowestOfLoaderTransferAndTrainer) {
  Rates r{.loader = 1000, .transfer = 800, .compute = 900, .reduced = 900, .loader_cpu = 1e-4, .reduced_cpu = 1e-4, .cores = 2, .workers = 1};
  EXPECT_DOUBLE_EQ(predict(r), 800);
  r.transfer = 5000;
  EXPECT_DOUBLE_EQ(predict(r), 900);
}

TEST(Predict, SharedCoresAllowOnlySoMuch) {
  const Rates r{.loader = 1000, .transfer = 1e9, .compute = 1000, .reduced = 1000, .loader_cpu = 2e-3, .reduced_cpu = 2e-3, .cores = 2, .workers = 2};
  EXPECT_DOUBLE_EQ(predict(r), 500);
}

TEST(Predict, WithoutWorkersTheyTakeTurns) {
  const Rates r{.loader = 1000, .transfer = 1e300, .compute = 500, .reduced = 500, .loader_cpu = 1e-3, .reduced_cpu = 2e-3, .cores = 1, .workers = 0};
  EXPECT_NEAR(predict(r), 1000.0 / 3, 1e-9);
}

TEST(Judge, ASlowTrainerIsComputeBound) {
  const Verdict v = judge(legs());
  EXPECT_EQ(v.bound, Bound::compute);
  EXPECT_EQ(v.confidence, Confidence::high);
  EXPECT_DOUBLE_EQ(v.predicted, 500);
}

TEST(Judge, ASlowLoaderIsLoaderBound) {
  const Verdict v = judge(slower_loader(300, 297, 0.4));
  EXPECT_EQ(v.bound, Bound::loader);
  EXPECT_EQ(v.confidence, Confidence::high);
}

TEST(Judge, ALoaderThatWaitsForItsFilesIsStorageBound) {
  LegReadings m = slower_loader(300, 297, 0.4);
  m.read_share = {0.8, 0.78, 0.82, 9};
  EXPECT_EQ(judge(m).bound, Bound::storage);
}

TEST(Judge, ASetLargerThanTheCacheIsJudgedByItsColdReads) {
  LegReadings m = legs();
  m.cold = reading(200);
  m.warm = reading(990);
  m.read_share = {0.7, 0.7, 0.7, 9};
  EXPECT_EQ(judge(m).bound, Bound::compute);
  m.cold_is_usual = true;
  EXPECT_EQ(judge(m).bound, Bound::storage);
}

TEST(Judge, ASlowWayToTheDeviceIsTransferBound) {
  LegReadings m = legs();
  m.transfers = true;
  m.transfer = reading(200);
  m.everything = reading(198);
  m.replayed = reading(199);
  EXPECT_EQ(judge(m).bound, Bound::transfer);
}

TEST(Judge, AllReduceThatTakesMoreThanAThirdOfAStepIsCommunicationBound) {
  LegReadings m = legs();
  m.ranks = 2;
  m.compute = reading(900);
  m.loader = reading(3000);
  m.loader_cpu = reading(1e-4);
  m.reduced_cpu = reading(1e-3);
  EXPECT_EQ(judge(m).bound, Bound::communication);
  m.compute = reading(520);
  EXPECT_EQ(judge(m).bound, Bound::compute);
}

TEST(Judge, CoresThatBothWantAreCpuShared) {
  LegReadings m = legs();
  m.workers = 2;
  m.loader = reading(600);
  m.loader_cpu = reading(3.3e-3);
  m.reduced_cpu = reading(4e-3);
  m.everything = reading(270);
  m.replayed = reading(495);
  m.waited = {0.4, 0.4, 0.4, 9};
  const Verdict v = judge(m);
  EXPECT_EQ(v.bound, Bound::cpu_shared);
  EXPECT_NEAR(v.predicted, 2 / 7.3e-3, 1e-9);
}

TEST(Judge, AnotherProcessOnACoreMakesThemShare) {
  LegReadings m = legs();
  m.loader_cpu = reading(2e-3);  // 2 ms and 2 ms fit on two cores, not on one and a bit.
  m.loader = reading(500 * 1.3);
  EXPECT_EQ(judge(m).bound, Bound::compute);
  m.cores_there = {1.3, 1.25, 1.35, 9};
  EXPECT_EQ(judge(m).bound, Bound::cpu_shared);
}

TEST(Judge, ALoaderThatHasTheCoresToItselfDoesNotShareThem) {
  LegReadings m = slower_loader(300, 280, 0.4);
  m.loader_cpu = reading(3.3e-3);
  m.reduced_cpu = reading(1e-5);
  m.cores_there = {0.8, 0.75, 0.85, 9};  // Other processes have the rest.
  EXPECT_EQ(judge(m).bound, Bound::loader);
}

TEST(Judge, LoaderAndTrainerThatReachTooLittleTogetherAreCpuShared) {
  LegReadings m = legs();
  m.everything = reading(330);
  m.waited = {0.05, 0.05, 0.05, 9};
  EXPECT_EQ(judge(m).bound, Bound::cpu_shared);
  EXPECT_NE(judge(m).confidence, Confidence::high);  // The prediction did not see it coming.
  m.loader_cpu = reading(1e-5);                      // A loader that does not compute is not in the way.
  EXPECT_EQ(judge(m).bound, Bound::compute);
}

TEST(Judge, CoresThatWereIdleWereNotShared) {
  // A disk that was slower in E than in L: a window of few reads.
  LegReadings m = slower_loader(50, 40, 0.9);
  m.read_share = reading(0.9);
  EXPECT_EQ(judge(m).bound, Bound::cpu_shared);
  m.cores_busy = {0.2, 0.2, 0.2, 9};
  EXPECT_EQ(judge(m).bound, Bound::storage);
}

TEST(Judge, ATrainerThatIsSlowerBesideTheLoaderIsNoMatterWhereItWaitsForIt) {
  // 100 % of what the loader does apart: that the steps between waits take longer costs nothing.
  const LegReadings m = slower_loader(300, 299, 0.1);
  EXPECT_EQ(judge(m).bound, Bound::loader);
}

TEST(Judge, TakingTurnsIsNeverBalanced) {
  LegReadings m = slower_loader(505, 250, 0.5);
  m.workers = 0;
  EXPECT_EQ(judge(m).bound, Bound::compute);  // 1/500 s and 1/505 s an image: either is half of it.
  EXPECT_NEAR(judge(m).predicted, 1 / (1. / 505 + 1. / 500), 1e-9);
  m.loader = reading(450);
  EXPECT_EQ(judge(m).bound, Bound::loader);
}

Reading reading_of(const nlohmann::json& j) {
  if (j.is_null()) return {};
  return {j["median"], j["low"], j["high"], j["count"]};
}

/// Legs as `millrace profile --json` recorded them.
LegReadings recorded(const nlohmann::json& p) {
  LegReadings m;
  m.workers = p["workers"];
  m.ranks = p["ranks"];
  m.batch = p["batch"];
  const auto& legs = p["intervals"];
  m.loader = reading_of(legs["L"]);
  m.compute = reading_of(legs["C"]);
  m.reduced = reading_of(legs["A"]);
  m.everything = reading_of(legs["E"]);
  m.replayed = reading_of(legs["X"]);
  m.loader_cpu = reading_of(p["cpu_seconds_per_image"]["L"]);
  m.reduced_cpu = reading_of(p["cpu_seconds_per_image"]["A"]);
  m.cores_there = reading_of(p["cores_there"]);
  if (p.contains("cores_busy")) m.cores_busy = reading_of(p["cores_busy"]);
  m.read_share = reading_of(p["read_share"]);
  m.waited = reading_of(p["wait_share"]);
  return m;
}

TEST(Judge, FortyConstructedCasesAsTheyWereMeasured) {
  std::ifstream in(MILLRACE_SOURCE_DIR "/experiments/results/profiles/cases.jsonl");
  int cases = 0, right = 0;
  for (std::string line; std::getline(in, line); ++cases) {
    const auto record = nlohmann::json::parse(line);
    const Verdict v = judge(recorded(record["profile"]));
    const bool agrees = name_of(v.bound) == record["expected"].get<std::string>();
    right += agrees;
    EXPECT_TRUE(agrees || v.confidence != Confidence::high) << record["case"] << " is called " << name_of(v.bound);
  }
  EXPECT_EQ(cases, 40);
  EXPECT_GE(right, 39);
}

TEST(Judge, EqualRatesAreBalanced) {
  LegReadings m = slower_loader(505, 490, 0.02);
  EXPECT_EQ(judge(m).bound, Bound::balanced);
}

TEST(Judge, WideIntervalsLowerTheConfidence) {
  LegReadings m = slower_loader(420, 415, 0.16);
  EXPECT_EQ(judge(m).confidence, Confidence::high);
  m.loader = reading(420, 0.06);
  m.compute = m.reduced = reading(500, 0.06);
  EXPECT_EQ(judge(m).confidence, Confidence::medium);  // Each end by itself, but not both.
  m.loader = reading(420, 0.3);
  EXPECT_EQ(judge(m).confidence, Confidence::low);
}

TEST(Judge, WhatWasMeasuredTogetherHasItsSay) {
  LegReadings m = legs();
  m.loader_cpu = reading(1e-5);
  m.everything = reading(380);
  m.waited = {0.24, 0.24, 0.24, 9};
  const Verdict v = judge(m);
  EXPECT_EQ(v.bound, Bound::compute);
  EXPECT_EQ(v.confidence, Confidence::medium);
  ASSERT_EQ(v.doubts.size(), 1u);
  EXPECT_NE(v.doubts[0].find("76 %"), std::string::npos) << v.doubts[0];
}

TEST(Judge, BooksThatContradictTheLegsLowerTheConfidence) {
  LegReadings m = legs();
  m.loader_cpu = reading(1e-5);
  m.waited = {0.5, 0.5, 0.5, 9};
  EXPECT_EQ(judge(m).bound, Bound::compute);
  EXPECT_EQ(judge(m).confidence, Confidence::medium);
}

TEST(Stalls, AreTimeBeyondWhatTheTrainerNeeds) {
  const Stalls s = stalls_of(slower_loader(300, 297, 0.4));
  EXPECT_NEAR(s.prep, 1 / 297.0 - 1 / 499.0, 1e-12);
  EXPECT_NEAR(s.prep_predicted, 1 / 300.0 - 1 / 500.0, 1e-12);
  EXPECT_NEAR(s.utilisation, 297.0 / 500, 1e-12);
  EXPECT_NEAR(s.overlap, 0.99, 1e-12);
  EXPECT_NEAR(s.gap, 499.0 / 297 - 1, 1e-12);
  EXPECT_EQ(s.fetch, 0);
}

TEST(Stalls, AColdCacheThatTheTrainerHidesIsNoFetchStall) {
  LegReadings m = legs();
  m.cold = reading(800);
  m.warm = reading(1000);
  EXPECT_NEAR(stalls_of(m).fetch, 0, 1e-12);
  m.cold = reading(250);
  EXPECT_NEAR(stalls_of(m).fetch, 1 / 250.0 - 1 / 500.0, 1e-12);
}

TEST(WhatIf, AWorkerMoreHelpsALoaderBoundSpecUntilTheTrainerBinds) {
  LegReadings m = slower_loader(300, 294, 0.4);
  m.loader_cpu = reading(1e-4);  // It waits rather than computes.
  EXPECT_NEAR(rate_of(m, "one worker more"), 0.98 * 500, 1e-9);
  m.workers = 2;
  EXPECT_NEAR(rate_of(m, "one worker more"), 0.98 * 450, 1e-9);
  EXPECT_NEAR(rate_of(m, "one worker fewer"), 0.98 * 150, 1e-9);
}

TEST(WhatIf, AWorkerMoreBuysNothingWhereNoCoreIsFree) {
  LegReadings m = slower_loader(300, 300, 0.4);
  m.loader_cpu = reading(1 / 300.0);
  m.reduced_cpu = reading(2 / 500.0);
  m.everything = reading(2 / (1 / 300.0 + 2 / 500.0));
  EXPECT_NEAR(rate_of(m, "one worker more"), m.everything.median, 1e-9);
}

TEST(WhatIf, ComputeBoundSpecsGainNothingFromTheLoader) {
  const LegReadings m = legs();
  EXPECT_NEAR(rate_of(m, "one worker more"), 495, 1e-9);
  EXPECT_NEAR(rate_of(m, "half the decode cost"), 495, 1e-9);
  EXPECT_NEAR(rate_of(m, "an infinitely fast loader"), 499, 1e-9);
}

TEST(WhatIf, HalfTheDecodeCostIsWeighedByItsShare) {
  LegReadings m = slower_loader(300, 300, 0.4);
  EXPECT_NEAR(rate_of(m, "half the decode cost"), 300 / 0.7, 1e-9);
}

TEST(WhatIf, TwiceTheBatchSparesTheFixedPartOfAStep) {
  // 50 images take 100 ms, 25 take 60: 20 ms of every step are fixed, so 100 images take 180 ms.
  EXPECT_NEAR(rate_of(legs(), "twice the batch"), 0.99 * 100 / 0.18, 1e-6);
}

TEST(WhatIf, ARankMoreIsWhatItsStepsTakeOnSharedCores) {
  // ResNet-18 at 64 px, as it was measured: 65.1 images/s with one rank, 109.2 with two; 15.2 ms of CPU an image become 17.2.
  LegReadings m = legs();
  m.batch = 16;
  m.loader = reading(843);
  m.loader_cpu = reading(1.19e-3);
  m.compute = m.reduced = m.everything = m.replayed = reading(65.1);
  m.reduced_cpu = reading(15.2e-3);
  m.more_ranks = reading(115);
  m.more_ranks_cpu = reading(17.2e-3);
  EXPECT_NEAR(rate_of(m, "one rank more"), 109.2, 1);
  m.more_ranks = reading(90);  // Their memory's bandwidth, say, and no want of cores.
  EXPECT_NEAR(rate_of(m, "one rank more"), 90, 1e-9);
}

TEST(WhatIf, ARankMoreIsNotPromisedWhereItWasNotTried) {
  for (const WhatIf& w : what_if(legs())) EXPECT_FALSE(w.change.starts_with("one rank more"));
}

TEST(WhatIf, ARankMoreWithADeviceOfItsOwnIsPredicted) {
  LegReadings m = legs();
  m.transfers = true;
  m.loader_cpu = reading(1e-5);
  m.loader = reading(1e5);
  m.reduced_cpu = reading(1e-5);
  EXPECT_NEAR(rate_of(m, "one rank more"), 0.99 * 1000, 1);
}

TEST(WhatIf, AGainWithinTheSpreadIsNoise) {
  LegReadings m = legs();
  m.everything = {495, 485, 505, 9};
  const auto noise = [&](const std::string& change) {
    for (const WhatIf& w : what_if(m))
      if (w.change.starts_with(change)) return w.noise;
    throw std::logic_error(change);
  };
  EXPECT_TRUE(noise("an infinitely fast loader"));  // 499: less than the interval is wide.
  EXPECT_FALSE(noise("twice the batch"));           // +12 %
  m.everything = Reading::of({495});
  EXPECT_TRUE(noise("an infinitely fast loader")) << "one reading has no spread, and so tells little apart";
}

TEST(WhatIf, FirstWorkerLetsLoadingAndTrainingOverlap) {
  LegReadings m = legs();
  m.workers = 0;
  m.everything = reading(1000.0 / 3);
  EXPECT_NEAR(rate_of(m, "one worker more"), 500, 1e-9);
}

}  // namespace
}  // namespace millrace
