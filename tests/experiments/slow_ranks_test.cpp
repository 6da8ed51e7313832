#include "experiments/slow_ranks.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using testing::HasSubstr;

std::vector<train::RankResult> ranks(int count) {
  std::vector<train::RankResult> out(static_cast<std::size_t>(count));
  for (int r = 0; r < count; ++r) {
    train::RankResult& rank = out[static_cast<std::size_t>(r)];
    rank.rank = r;
    rank.phases = {.wait = 1, .upload = 1, .forward = 10, .backward = 20, .reduce = 5, .optimizer = 1, .other = 1};
    rank.step_busy_seconds = 0.033;
    rank.step_own_seconds = 0.034;
  }
  return out;
}

TEST(SlowRanks, AreNoneAmongEquals) {
  EXPECT_TRUE(slow_ranks(ranks(4), {}).empty());
  EXPECT_TRUE(slow_ranks(ranks(1), {}).empty());
}

TEST(SlowRanks, AreNamedWithThePhaseInWhichTheyAreBehind) {
  auto four = ranks(4);
  four[2].step_busy_seconds = 0.042;
  four[2].step_own_seconds = 0.043;
  four[2].phases.backward = 29;
  const Json slow = slow_ranks(four, {});
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_EQ(slow[0]["rank"], 2);
  EXPECT_EQ(slow[0]["phase"], "backward");
  EXPECT_NEAR(slow[0]["times"].get<double>(), 0.042 / 0.033, 1e-9);
  EXPECT_THAT(slow_ranks_text({{"slow_ranks", slow}}), HasSubstr("rank 2 took 1.27 times as long as the others (backward)"));
}

TEST(SlowRanks, AFifthIsTheLimit) {
  auto two = ranks(2);
  two[0].step_busy_seconds = two[0].step_own_seconds = 0.033 * 1.19;
  EXPECT_TRUE(slow_ranks(two, {}).empty());
  two[0].step_busy_seconds = 0.033 * 1.21;
  EXPECT_EQ(slow_ranks(two, {}).at(0)["rank"], 0);
}

TEST(SlowRanks, ASlowLoaderIsNamedWithItsStage) {
  auto two = ranks(2);
  two[1].step_own_seconds = 0.070;
  const Json slow = slow_ranks(two, {"decode", "read"});
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_EQ(slow[0]["phase"], "wait");
  EXPECT_EQ(slow[0]["stage"], "read");
  EXPECT_THAT(slow_ranks_text({{"slow_ranks", slow}}), HasSubstr("(wait: read)"));
}

TEST(SlowRanks, TheBusiestStageCountsReadingOnce) {
  LoaderReport report;
  for (const auto& [stage, seconds] : {std::pair{Stage::read, 5.0}, {Stage::decode, 8.0}, {Stage::augment, 4.0}}) {
    StageStats stats;
    stats.busy_seconds = seconds;
    report.stages.push_back({stage, stats});
  }
  EXPECT_EQ(busiest_stage(report), "read");
  EXPECT_EQ(busiest_stage({}), "");
}

TEST(SlowRanks, AnEpochWithoutThemSaysNothing) { EXPECT_EQ(slow_ranks_text(Json::object()), ""); }

}  // namespace
}  // namespace millrace
