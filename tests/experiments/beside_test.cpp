// Our cells beside published rows: which stand together, which figures are within tolerance, and which orders hold.
#include "experiments/beside.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/measured.h"
#include "experiments/published.h"
#include "experiments/timing_table.h"
#include "experiments/work.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

/// Runs of ranks, with made epochs: `busy` seconds after the fetch and `wait` before it, by rank.
class Beside : public testing::Test {
 protected:
  void add(int ranks, double accuracy, double busy, double wait, int cores = 8, int repetition = 0) {
    RunResult run;
    run.run = {{"spec",
                {{"data", {{"batch_per_rank", 10}}},
                 {"loader", {{"workers", 1}}},
                 {"train", {{"model", "toy"}, {"mode", "auto"}, {"ranks", ranks}, {"lr", .1}}}}},
               {"host", {{"cores", cores}}}};
    run.outcome = "complete";
    run.repetition = repetition;
    run.cell = {{"train.ranks", ranks}};
    for (int epoch = 1; epoch <= 2; ++epoch) {
      Json by_rank = Json::array();
      for (int r = 0; r < ranks; ++r) {
        const double mine = busy * (r + 1) / ranks;  // The last rank is the slowest.
        by_rank.push_back({{"rank", r}, {"wall_seconds", mine + wait}, {"images", 100}, {"phases", {{"wait", wait}, {"forward", mine}}}});
      }
      run.epochs.push_back({{"epoch", epoch},
                            {"wall_seconds", busy + wait},
                            {"evaluate_seconds", .5},
                            {"images", 100 * ranks},
                            {"steps", 10},
                            {"loss", .5},
                            {"accuracy", accuracy},
                            {"scored", 1000},
                            {"phases", {{"wait", wait}, {"forward", busy}}},
                            {"ranks", by_rank}});
    }
    results_.runs.push_back(std::move(run));
  }
  std::vector<CellSummary> cells() { return summarize(results_); }
  FigureTable published(const Json& more) {
    Json table = {
        {"settings", {{"epochs", 2}, {"batch_per_rank", 10}, {"images", 100}}},
        {"match", {{"ranks", "train.ranks"}, {"mode", "train.mode"}}},
        {"row",
         {{{"name", "one"}, {"settings", {{"ranks", 1}, {"mode", "single"}}}, {"figures", {{"accuracy_2", ".900"}, {"wall", "2.0"}}}},
          {{"name", "two"}, {"settings", {{"ranks", 2}, {"mode", "ddp"}}}, {"figures", {{"accuracy_2", ".800"}}}},
          {{"name", "far"}, {"settings", {{"ranks", 64}, {"mode", "ddp"}}}, {"needs", "64 GPUs"}}}}};
    for (const auto& [key, value] : more.items()) table[key] = value;
    return published_table(table);
  }
  std::vector<std::string> says(const FigureTable& table, bool scaled = false) {
    const auto all = cells();
    std::vector<std::string> out;
    for (const Finding& f : judge_both(table, all, scaled)) out.push_back(f.detector + " " + f.text);
    return out;
  }
  StudyResults results_;
};

TEST_F(Beside, RowsStandTogetherWhereTheMatchedSettingsAgree) {
  add(1, .9, 1, 1);
  add(2, .9, 1, 1);
  const FigureTable table = published(Json::object());
  const auto all = cells();
  ASSERT_THAT(matching(table, table.rows[0], all), SizeIs(1));
  EXPECT_EQ(own_label(*matching(table, table.rows[0], all)[0]), "ranks 1") << "an automatic mode of one rank is single";
  EXPECT_THAT(matching(table, table.rows[1], all), SizeIs(1));
  EXPECT_THAT(matching(table, table.rows[2], all), SizeIs(0));
  EXPECT_THAT(side_by_side(table, all, false), AllOf(HasSubstr("| published: one | .900 |"), HasSubstr("ours: not run: needs 64 GPUs")));
}

TEST_F(Beside, EachCellHasTheVerdictOfItsTolerance) {
  add(1, .905, 1, 1);
  add(2, .9, 1, 1);
  const Json tolerance = {{"tolerance", Json::array({{{"metric", "accuracy_2"}, {"within", .01}, {"unscaled", true}}})}};
  EXPECT_THAT(side_by_side(published(tolerance), cells(), false), AllOf(HasSubstr("0.9050 within"), HasSubstr("0.9000 **outside**")));
  EXPECT_THAT(says(published(tolerance)),
              Contains(AllOf(HasSubstr("1 of 2 cells within 0.01"), HasSubstr("ranks 2 accuracy_2 0.9000 (published .800)"))));
  EXPECT_THAT(says(published(tolerance), true), Contains(HasSubstr("not judged: the study is scaled down")));
}

TEST_F(Beside, OrdersAreJudgedWithSlackAndNotWhereCoresAreShared) {
  const auto order = [](bool needs_cores) {
    return Json{{"order", Json::array({{{"text", "falls"},
                                        {"metric", "accuracy"},
                                        {"along", "ranks"},
                                        {"direction", "falls"},
                                        {"slack", .01},
                                        {"needs_cores", needs_cores}}})}};
  };
  add(1, .9, 1, 1, 2);
  add(2, .905, 1, 1, 2);
  EXPECT_THAT(says(published(order(false))), Contains(HasSubstr("\"falls\": holds in 1 of 1 pair")));
  EXPECT_THAT(says(published(order(true))), Contains(HasSubstr("not testable here: ranks and workers share cores")));
  add(4, .95, 1, 1, 2);
  EXPECT_THAT(says(published(order(false))), Contains(HasSubstr("not in accuracy of ranks 4 (0.9500) against ranks 2 (0.9050)")));
}

TEST_F(Beside, AnOrderCanAskByHowMuch) {
  const auto cut = [](double low, double high) {
    return Json{{"order", Json::array({{{"text", "half"}, {"metric", "load"}, {"along", "throttled"}, {"direction", "rises"}, {"cut", {low, high}}}})}};
  };
  add(1, .9, 1, 1.00);
  add(1, .9, 1, 1.94);
  results_.runs[0].cell = {{"loader.throttled", false}};  // Off before on.
  results_.runs[1].cell = {{"loader.throttled", true}};
  results_.runs[1].run["spec"]["loader"]["extra_us_per_image"] = 5;
  EXPECT_THAT(says(published(cut(.435, .535))), Contains(HasSubstr("\"half\": holds in 1 of 1 pair of ours (cut by 48.5 %, asked 43.5-53.5 %)")));
  EXPECT_THAT(says(published(cut(.5, .535))), Contains(HasSubstr("\"half\": holds in 0 of 1 pair of ours; not in load of")));
}

TEST_F(Beside, TheWallIsSetBesideItsFloorWhereWorkersHaveCores) {
  const Json asked = {{"floor", {{"at_most", 1.3}, {"equal", {"ranks"}}}}};
  add(1, .9, 1, 4);      // Without workers: 0.4 s of loading a step, 0.1 s of update.
  add(1, .9, 1, 1.2);    // One worker takes 0.4 s a step, the wall is 0.22: no loader is that fast.
  add(1, .9, 1, 2.2);    // Two workers: 0.2 s a step, the wall is 0.32.
  for (int w : {0, 1, 2}) {
    results_.runs[std::size_t(w)].cell = {{"loader.workers", w}};
    results_.runs[std::size_t(w)].run["spec"]["loader"]["workers"] = w;
  }
  EXPECT_THAT(says(published(asked)), Contains(HasSubstr("0.55-1.60 in 2 rows, asked at most 1.30; beyond: workers 2 1.60")));
  results_.runs[2].run["host"]["cores"] = 1;
  EXPECT_THAT(says(published(asked)), Contains(HasSubstr("0.55 in 1 row, asked at most 1.30; 1 row with more workers than free cores not judged")));
  EXPECT_THAT(says(published(Json::object())), Not(Contains(HasSubstr("asked at most"))));
}

TEST_F(Beside, TimesFollowTheirDefinitions) {
  add(1, .9, 1, 1);
  add(2, .9, 1, 1);
  const FigureTable ours = measured_table(cells());
  const FigureRow& two = ours.rows[1];
  EXPECT_DOUBLE_EQ(two.find("t_epoch")->value, 1) << "the slowest rank's, after the fetch";
  EXPECT_DOUBLE_EQ(two.find("t_batch")->value, .1);
  EXPECT_DOUBLE_EQ(two.find("wall")->value, 2);
  EXPECT_DOUBLE_EQ(two.find("with_validation")->value, 2.5);
  EXPECT_DOUBLE_EQ(two.find("images_per_second")->value, 100) << "200 images over the slowest rank's 2 s";
  EXPECT_NEAR(two.find("rank_rate")->value, 100 / 1.5 + 100 / 2., 1e-9) << "the sum of the ranks' own";
  EXPECT_THAT(timing_table(ours), AllOf(HasSubstr("| ranks 2 | 2 x 10 | 20 |"), HasSubstr("| 50.0 |"), HasSubstr("| 2.00 | 100 |")));
}

TEST_F(Beside, RowsOfMoreRanksAndWorkersThanCoresSaySo) {
  add(4, .9, 1, 1, 2);
  const FigureTable ours = measured_table(cells());
  EXPECT_TRUE(shares_cores(ours.rows[0]));
  EXPECT_THAT(timing_table(ours), HasSubstr("8 ranks and workers on 2 cores"));
}

TEST_F(Beside, TimeToTargetCountsEpochsInARow) {
  add(1, .9, 1, 1);
  const FigureTable runs = measured_runs(cells());
  EXPECT_THAT(target_table(runs, .85, 2), HasSubstr("| ranks 1 | 2 | 4.000 | 1.00 | 90.00 |"));
  EXPECT_THAT(target_table(runs, .95, 1), HasSubstr("| ranks 1 | not reached |"));
  EXPECT_EQ(target_table(runs, 0, 1), "");
}

}  // namespace
}  // namespace millrace
