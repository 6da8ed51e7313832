// What a report may say: no figure of a part divided by the whole, no judgement of cells that are not there, no claim that another one contradicts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "experiments/gnuplot.h"
#include "experiments/measured.h"
#include "experiments/own_findings.h"
#include "experiments/report.h"
#include "experiments/results.h"
#include "pipeline/error.h"
#include "tests/experiments/report_fixture.h"

namespace millrace {
namespace {

using test::Folder;
using test::texts;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const auto kNoWarnings = [](const std::string& text) { ADD_FAILURE() << text; };

Json phases(double wait, double forward) {
  return {{"wait", wait}, {"upload", 0}, {"forward", forward}, {"backward", 0}, {"reduce", 0}, {"optimizer", 0}, {"other", 0}};
}

/// Eight epochs of eight steps that wait 1 s and compute 7 s, on one rank. The last was resumed after five steps, so that its records of ranks and
/// of the loader hold three.
RunResult resumed_run() {
  RunResult run;
  run.run = {{"spec", {{"data", {{"batch", 10}}}, {"loader", {{"workers", 1}}}}}};
  run.outcome = "complete";
  for (int e = 0; e < 8; ++e) {
    const double part = e == 7 ? 3.0 / 8 : 1;
    Json epoch = {{"wall_seconds", 8.0}, {"images", 80}, {"steps", 8}, {"loss", .5}, {"unaccounted_seconds", 0.0}, {"phases", phases(1, 7)}};
    epoch["ranks"] = {{{"rank", 0}, {"wall_seconds", 8 * part}, {"images", 80 * part}, {"phases", phases(part, 7 * part)}}};
    const auto stage = [&](double seconds) { return Json{{"busy_seconds", seconds * part}}; };
    epoch["loader"]["stages"] = {{"read", stage(.8)}, {"decode", stage(2.4)}, {"augment", stage(1.6)}};
    if (part < 1) epoch["resumed_after_steps"] = 5;
    run.epochs.push_back(epoch);
  }
  return run;
}

TEST(ResumedEpochs, AreDividedByThePartThatTheirRanksAndLoaderCover) {
  StudyResults results;
  results.runs.push_back(resumed_run());
  const auto cells = summarize(results);
  const FigureTable table = measured_table(cells);
  EXPECT_NEAR(table.rows[0].find("t_batch")->value, 7.0 / 8, 1e-12);
  EXPECT_NEAR(table.rows[0].find("t_epoch")->value, 7, 1e-12);
  EXPECT_NEAR(table.rows[0].find("rank_rate")->value, 10, 1e-12);
  EXPECT_NEAR(cells[0].images_per_second.median, 10, 1e-12);
  EXPECT_NEAR(cells[0].update_ms.median, 875, 1e-9);
  ASSERT_EQ(cells[0].stage_us_per_image[1].first, "decode");
  EXPECT_NEAR(cells[0].stage_us_per_image[1].second, 1.6 / 80 * 1e6, 1e-6);
  double all = 0;
  for (const auto& [name, us] : cells[0].stage_us_per_image) all += us;
  EXPECT_NEAR(all, 8.0 / 80 * 1e6, 1e-6) << "they add up to the worker's time";
}

TEST(ResumedEpochs, ThatBeganWithTheirLastStepAreWhatTheWholeEpochSays) {
  StudyResults results;
  results.runs.push_back(resumed_run());
  Json& last = results.runs[0].epochs.back();
  last["resumed_after_steps"] = 8;
  last["ranks"][0] = {{"rank", 0}, {"wall_seconds", 0}, {"images", 0}, {"phases", phases(0, 0)}};
  EXPECT_NEAR(measured_table(summarize(results)).rows[0].find("t_batch")->value, 7.0 / 8, 1e-12);
}

TEST(Shares, OfNoiseAreNeverBelowNothing) {
  StudyResults results;
  results.runs.push_back(resumed_run());
  for (Json& epoch : results.runs[0].epochs) epoch["ranks"] = Json::array(), epoch["phases"] = phases(0, 8.04), epoch["unaccounted_seconds"] = -0.001;
  for (const std::string& says : texts(judge_own(summarize(results)))) EXPECT_THAT(says, Not(HasSubstr(" -0"))) << says;
}

/// A study of two by two cells with the runs that it plans.
class PlannedStudy : public Folder {
 protected:
  PlannedStudy() {
    Json study = {{"type", "study"}, {"name", "made"}, {"axes", {{"augment.affine", {true, false}}, {"loader.workers", {0, 2}}}}, {"repeat", 1}};
    study["runs"] = Json::array();
    for (const bool affine : {true, false})
      for (const int workers : {0, 2})
        study["runs"].push_back({{"digest", name(affine, workers)}, {"cell", {{"augment.affine", affine}, {"loader.workers", workers}}}, {"repetition", 0}});
    study["command"] = "millrace study made.toml --out out/made";
    write(study);
  }
  static std::string name(bool affine, int workers) { return std::string(affine ? "on" : "off") + std::to_string(workers); }
  void run(bool affine, int workers, const std::string& outcome = "complete") { write_run(name(affine, workers), affine, workers, 2, .1, outcome); }
};

TEST_F(PlannedStudy, ThatIsUnfinishedSaysSoInTheFirstLineAndHowToGoOn) {
  run(true, 0);
  run(true, 2);
  run(false, 0);
  const std::string terminal = write_report(path_, kNoWarnings).terminal, page = text("report.md");
  EXPECT_TRUE(terminal.starts_with("INCOMPLETE: 3 of 4 runs. To go on: `millrace study made.toml --out out/made`\n")) << terminal;
  EXPECT_TRUE(page.starts_with("**INCOMPLETE: 3 of 4 runs. ")) << page;
}

TEST_F(PlannedStudy, ThatIsWholeSaysNothingOfIt) {
  for (const bool affine : {true, false})
    for (const int workers : {0, 2}) run(affine, workers);
  EXPECT_THAT(write_report(path_, kNoWarnings).terminal, AllOf(Not(HasSubstr("INCOMPLETE")), Not(HasSubstr("waiting")), HasSubstr("One run a row in all 4 rows")));
}

TEST_F(PlannedStudy, ComparesOnlyWorkersWhoseCellsAreAllThere) {
  run(true, 0);
  run(true, 2);
  run(false, 0);
  const std::string says = write_report(path_, kNoWarnings).terminal;
  EXPECT_THAT(says, HasSubstr("affine on: workers 0 and 2 take"));
  EXPECT_THAT(says, Not(HasSubstr("affine off: workers")));
  EXPECT_THAT(says, Not(HasSubstr("One run a row")));
  EXPECT_THAT(says, HasSubstr("1 cell lacks runs of the study, the first is affine off, workers 2"));
}

TEST_F(PlannedStudy, WithoutAFinishedRunSaysHowToGoOn) {
  run(true, 0, "stopped");
  try {
    write_report(path_, kNoWarnings);
    FAIL() << "a report of nothing";
  } catch (const Error& e) {
    EXPECT_THAT(e.hint(), HasSubstr("INCOMPLETE: 0 of 4 runs. To go on: `millrace study made.toml"));
  }
}

TEST(Completion, OfRecordsWithoutTheStudysCommandTakesTheRunsWithoutItsPart) {
  StudyResults results;
  results.study = {{"runs", {{{"digest", "a"}, {"cell", Json::object()}}, {{"digest", "b"}, {"cell", {{"x", 1}}}}}}};
  results.runs.emplace_back();
  results.runs[0].run = {{"spec_digest", "a"}, {"command", "millrace study s.toml --only row=\"2 nodes of 2\" --set a=1 --only b=2"}};
  results.runs[0].outcome = "complete";
  const Completion completion = completion_of(results);
  EXPECT_EQ(completion.done, 1u);
  EXPECT_EQ(completion.planned, 2u);
  EXPECT_EQ(completion.command, "millrace study s.toml --set a=1");
}

TEST_F(Folder, ARunThatTrainedOnNoImageIsNoResultWhateverItsRecordSays) {
  write_run("a", true, 0, 2, .1);
  write({{"type", "run"}, {"run", "b"}, {"spec_digest", "b"}, {"cell", {{"augment.affine", true}, {"loader.workers", 2}}}});
  write({{"type", "epoch"}, {"run", "b"}, {"epoch", 1}, {"wall_seconds", .001}, {"images", 0}, {"steps", 0}, {"phases", phases(.001, 0)}});
  write({{"type", "end"}, {"run", "b"}, {"outcome", "complete"}});
  const std::string terminal = write_report(path_, kNoWarnings).terminal, page = text("report.md");
  EXPECT_THAT(page, HasSubstr("affine on, workers 2: no image was trained on"));
  for (const std::string& all : {terminal, page}) EXPECT_THAT(all, AllOf(Not(HasSubstr("inf")), Not(HasSubstr("nan")))) << all;
}

TEST_F(Folder, GnuplotsRemarksStayOffTheTerminal) {
  std::filesystem::create_directories(path_);
  testing::internal::CaptureStderr();
  const auto files = write_pictures(path_, "quiet", "print 'difficulty making room'\nplot sin(x)\n", 200, 100, kNoWarnings);
  const std::string terminal = testing::internal::GetCapturedStderr();
  EXPECT_EQ(files.size(), 2u);
  EXPECT_EQ(terminal, "");
}

TEST_F(Folder, GnuplotsErrorsBecomeAPartOfTheWarning) {
  std::filesystem::create_directories(path_);
  std::string warning;
  testing::internal::CaptureStderr();
  write_pictures(path_, "wrong", "plot nonsense(\n", 200, 100, [&](const std::string& text) { warning = text; });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(warning, AllOf(HasSubstr("gnuplot failed on "), HasSubstr("wrong.gp: "), HasSubstr("line"))) << warning;
}

}  // namespace
}  // namespace millrace
