#include "experiments/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "experiments/detectors.h"
#include "experiments/findings.h"
#include "experiments/own_findings.h"
#include "experiments/plot.h"
#include "experiments/published.h"
#include "experiments/records.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"
#include "tests/experiments/report_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using test::texts;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::SizeIs;

// The arithmetic of the published table, as its study page works it out.

TEST(Detectors, PartsAgainstTheWallAtBothBatchSizes) {
  const double load[] = {.0064, .0043, .0005}, update[] = {.0011, .0012, .0012}, total[] = {72.80, 34.96, 18.47};
  const double at_32[] = {1.93, 2.95, 1.73}, at_64[] = {.97, 1.48, .86}, parts_32[] = {140.6, 103.1, 31.9};
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(close_books(load[i], update[i], 18750, total[i]).parts_seconds, parts_32[i], .05);
    EXPECT_NEAR(close_books(load[i], update[i], 18750, total[i]).ratio(), at_32[i], .005);
    EXPECT_NEAR(close_books(load[i], update[i], 9380, total[i]).ratio(), at_64[i], .005);
  }
}

TEST(Detectors, WorkersCannotBeatTheirShareOfTheLoad) {
  EXPECT_FALSE(worker_bound(.0064, 2, 34.96, 18750).holds());
  EXPECT_TRUE(worker_bound(.0064, 2, 34.96, 9380).holds());
  EXPECT_TRUE(worker_bound(.0064, 4, 18.47, 9380).holds());
}

TEST(Detectors, ClassAccuraciesGiveErrorsAndTheOutlier) {
  const std::vector<std::int64_t> sizes{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
  const ClassCheck ddp = check_classes({99.39, 99.74, 99.42, 99.11, 99.19, 99.33, 98.75, 98.74, 99.38, 96.23}, sizes);
  EXPECT_THAT(ddp.errors, ElementsAre(6, 3, 6, 9, 8, 6, 12, 13, 6, 38));
  EXPECT_EQ(ddp.total_errors, 107);
  EXPECT_EQ(ddp.worst, 9u);
  EXPECT_NEAR(ddp.expected_at_worst, 7.7, .1);
  EXPECT_NEAR(ddp.weighted, 98.93, .005);
}

TEST(Detectors, StartUpIsWhatTheFirstEpochTakesMore) {
  const StartUp dp = start_up({26.23, 14.84, 15.11, 15.01, 14.95, 14.78, 15.17, 14.94, 15.11, 14.74});
  EXPECT_TRUE(dp.off);
  EXPECT_NEAR(dp.excess_seconds, 11.27, .01);
  EXPECT_NEAR(dp.share, .07, .005);
  EXPECT_FALSE(start_up({1.0, 1.02, 1.01}).off);
  EXPECT_FALSE(start_up({1.0}).off);
}

TEST(Detectors, AnAccuracyHasTheDeviationOfItsImages) {
  EXPECT_NEAR(accuracy_deviation(.991, 10000), .0009, .00005);
  EXPECT_NEAR(deviations_apart(.9919, .9893, 10000), 1.9, .05);
}

TEST(Detectors, OverlappingRepetitionsAreNotDistinguished) {
  EXPECT_TRUE(overlap({1.0, 1.2}, {1.1, 1.3}));
  EXPECT_FALSE(overlap({1.0, 1.2}, {1.3, 1.4}));
}

TEST(Detectors, ChanceForTwoEpochsOrALossThatIsNoNumberIsNotLearning) {
  EXPECT_EQ(not_learning({.9, .95}, {.3, .2}, 10), 0u);
  EXPECT_EQ(not_learning({.5, .1, .101}, {2, 2, 2}, 10), 2u);
  EXPECT_EQ(not_learning({.5, .5}, {1.0, std::nan("")}, 10), 2u);
}

TEST_F(Folder, AnUnfinishedLastLineIsCutOffWhenTheFileIsOpenedAgain) {
  write({{"type", "run"}, {"run", "a"}});
  std::ofstream(fs::path(path_) / "results.jsonl", std::ios::app) << "{\"type\": \"epo";
  EXPECT_THAT(read_records(path_), SizeIs(1));
  EXPECT_TRUE(RecordFile(path_).repaired());
  write({{"type", "end"}, {"run", "a"}});
  EXPECT_THAT(read_records(path_), SizeIs(2));
}

TEST_F(Folder, ABrokenLineInTheMiddleIsNamed) {
  write({{"type", "run"}});
  std::ofstream(fs::path(path_) / "results.jsonl", std::ios::app) << "{\"type\":\n";
  EXPECT_THAT([&] { read_records(path_); }, testing::ThrowsMessage<Error>(HasSubstr("results.jsonl:2: not a JSON object")));
}

TEST_F(Folder, CellsStandInTheGridsOrderWhateverTheOrderOfTheRuns) {
  write_study();
  write_run("d", false, 2, 1, .1);
  write_run("a", true, 0, 2, 1.5);
  const auto results = collect(read_records(path_));
  const auto cells = summarize(results);
  ASSERT_THAT(cells, SizeIs(2));
  EXPECT_EQ(cell_label(cells[0].cell), "affine on, workers 0");
  EXPECT_DOUBLE_EQ(cells[0].total_seconds.median, 4);
  EXPECT_DOUBLE_EQ(cells[0].load_ms.median, 75);
  EXPECT_DOUBLE_EQ(cells[0].images_per_second.median, 500);
  EXPECT_STREQ(verdict(cells[0]), "loader-bound");
  EXPECT_STREQ(verdict({.wait_share = 0.05, .reduce_share = 0.2}), "compute-bound");
  EXPECT_STREQ(verdict({.wait_share = 0.05, .reduce_share = 0.5}), "communication-bound");
}

TEST_F(Folder, ARunBegunAgainReplacesTheEarlierAttempt) {
  write_study();
  write_run("a", true, 0, 2, 1, "stopped");
  write_run("a", true, 0, 4, 1);
  const auto results = collect(read_records(path_));
  ASSERT_THAT(results.runs, SizeIs(1));
  EXPECT_THAT(results.runs[0].epochs, SizeIs(2));
  EXPECT_TRUE(results.runs[0].complete());
}

TEST_F(Folder, OnlyRunsThatTheLastStudyPlansAreCounted) {
  Json study = {{"type", "study"}, {"name", "made"}, {"axes", {{"loader.workers", {0}}}}};
  study["runs"] = Json::array({{{"digest", "new"}, {"cell", {{"loader.workers", 0}}}, {"repetition", 0}}});
  write_run("old", true, 0, 1, .1);
  write(study);
  write_run("new", true, 0, 2, .1);
  StudyResults results = collect(read_records(path_));
  keep_planned(results);
  EXPECT_EQ(results.foreign, 1u);
  const auto cells = summarize(results);
  ASSERT_THAT(cells, SizeIs(1));
  EXPECT_EQ(cell_label(cells[0].cell), "workers 0");
  ASSERT_THAT(cells[0].runs, SizeIs(1));
  EXPECT_DOUBLE_EQ(cells[0].total_seconds.median, 4);
  EXPECT_THAT(write_report(path_, [](const std::string&) {}).terminal, HasSubstr("1 run of other settings in this folder left out"));
  EXPECT_THAT(text("report.md"), HasSubstr("1 run of other settings in this folder left out"));
}

TEST_F(Folder, AnotherProcessAtTheSameFileIsRefused) {
  const RecordFile first(path_);
  EXPECT_THAT([&] { RecordFile second(path_); }, testing::ThrowsMessage<Error>(HasSubstr("results.jsonl: another process is writing it")));
}

TEST_F(Folder, ARecordOfWrongTypesIsNamedWithItsLine) {
  const char* const lines[] = {"{\"type\":7}",
                               "{\"type\":\"run\",\"run\":1}",
                               "{\"type\":\"run\",\"run\":\"a\",\"host\":[]}",
                               "{\"type\":\"run\",\"run\":\"a\",\"repetition\":1e300}",
                               "{\"type\":\"run\",\"run\":\"a\",\"spec\":{\"data\":1}}",
                               "{\"type\":\"study\",\"axes\":[1]}",
                               "{\"type\":\"study\",\"runs\":[1]}",
                               "{\"type\":\"epoch\",\"run\":\"a\",\"phases\":3}",
                               "{\"type\":\"epoch\",\"run\":\"a\",\"loader\":{\"stages\":{\"read\":1}}}",
                               "[]",
                               "null"};
  for (const char* line : lines) {
    fs::remove_all(path_);
    write({{"type", "run"}, {"run", "b"}});
    std::ofstream(fs::path(path_) / "results.jsonl", std::ios::app) << line << "\n";
    EXPECT_THAT([&] { write_report(path_, [](const std::string&) {}); }, testing::ThrowsMessage<Error>(HasSubstr("results.jsonl:2: ")))
        << line;
  }
}

TEST_F(Folder, ALineNestedWithoutEndIsRefused) {
  fs::create_directories(path_);
  std::ofstream(fs::path(path_) / "results.jsonl") << "{\"cell\":" << std::string(1 << 20, '[') << std::string(1 << 20, ']') << "}\n";
  EXPECT_THROW(read_records(path_), Error);
}

TEST_F(Folder, PublishedFiguresOfWrongTypesAreNamedWithTheirLine) {
  for (const Json& bad : {Json{{"row", {1, 2}}}, Json{{"row", {{{"name", "a"}, {"load", 1}}}}}, Json{{"title", 1}}}) {
    fs::remove_all(path_);
    write_run("a", true, 0, 2, 1);
    write({{"type", "study"}, {"name", "made"}, {"axes", Json::object()}, {"published", bad}});
    const std::string line = ":" + std::to_string(read_records(path_).size()) + ": 'published'";
    EXPECT_THAT([&] { write_report(path_, [](const std::string&) {}); }, testing::ThrowsMessage<Error>(HasSubstr(line))) << bad;
  }
}

TEST_F(Folder, AReportThatCannotBeWrittenIsAnError) {
  write_run("a", true, 0, 2, 1.5);
  fs::create_symlink("/dev/full", fs::path(path_) / "report.md");
  EXPECT_THAT([&] { write_report(path_, [](const std::string&) {}); },
              testing::ThrowsMessage<Error>(HasSubstr("report.md: could not be written")));
  fs::remove(fs::path(path_) / "plot.gp");
  fs::create_symlink("/dev/full", fs::path(path_) / "plot.gp");
  EXPECT_THAT([&] { write_report(path_, [](const std::string&) {}); },
              testing::ThrowsMessage<Error>(HasSubstr("plot.gp: could not be written")));
}

/// A run of made epochs, as findings see it.
RunResult made_run(std::vector<double> walls, double unaccounted, double accuracy) {
  RunResult run;
  run.run = {{"spec", Json::object()}};
  run.outcome = "complete";
  for (const double wall : walls)
    run.epochs.push_back({{"wall_seconds", wall},
                          {"images", 100},
                          {"steps", 10},
                          {"loss", .5},
                          {"accuracy", accuracy},
                          {"unaccounted_seconds", unaccounted * wall},
                          {"class_count", std::vector<int>(10, 1)}});
  return run;
}

TEST(OwnFindings, NameTheWorstOfAllRunsNotAMedianOrTheFirst) {
  StudyResults results;
  const auto add = [&](int workers, std::vector<double> walls, double unaccounted, double accuracy) {
    results.runs.push_back(made_run(std::move(walls), unaccounted, accuracy));
    results.runs.back().cell = {{"loader.workers", workers}};
  };
  add(0, {1.2, 1, 1}, .001, .9);
  add(0, {1.2, 1, 1}, .001, .9);
  add(0, {1.2, 1, 1}, -.2, .9);
  add(2, {5, 1, 1}, .002, .1);
  add(2, {1, 1, 1}, .002, .1);
  results.runs.back().repetition = 1;
  const auto cells = summarize(results);
  const auto says = texts(judge_own(cells));
  EXPECT_THAT(says, Contains(HasSubstr("D1 Books do not close: at most 20.00 % of a run's wall is unaccounted (workers 0)")));
  EXPECT_THAT(says, Contains(HasSubstr("4 of 5 runs, most in workers 2, repetition 1 (+4.00 s)")));
  EXPECT_THAT(says, Contains(AllOf(HasSubstr("D10 Not a low accuracy"), HasSubstr("workers 2, repetition 1 since epoch 1"), HasSubstr("workers 2, repetition 2 since epoch 1"))));
}

TEST(OwnFindings, SayNoMoreOfWhatWasScoredThanTheCountsDo) {
  const auto says = [](Json more, Json data) {
    StudyResults results;
    results.runs.push_back(made_run({1}, 0, .75));
    Json& epoch = results.runs[0].epochs.back();
    epoch["per_class_accuracy"] = {1, .5};
    epoch["class_count"] = {4, 4};
    epoch.update(more);
    if (!data.is_null()) results.runs[0].run["data"] = {{"test", data}};
    return texts(judge_own(summarize(results)));
  };
  const Json whole{{"scored", 8}, {"evaluation_bad_samples", 0}}, part{{"scored", 8}, {"evaluation_bad_samples", 2}};
  EXPECT_THAT(says(whole, {}), Contains(HasSubstr("overall 75.00 %: they agree.")));
  EXPECT_THAT(says(whole, {{"images", 8}, {"class_sizes", {4, 4}}}), Contains(HasSubstr("they agree, on as many images as the test set has, of each class.")));
  EXPECT_THAT(says(whole, {{"images", 8}, {"class_sizes", {6, 2}}}), Contains(HasSubstr("they agree, on as many images as the test set has.")));
  EXPECT_THAT(says(part, {{"images", 10}}), Contains(AllOf(HasSubstr("they agree, on 8 of the test set's 10 images."), HasSubstr("2 images of the test set could not be read and were left out"))));
}

TEST(OwnFindings, NameASlowRankWithItsPhaseAndHowOften) {
  StudyResults results;
  results.runs.push_back(made_run({1, 1, 1}, .001, .9));
  for (const double times : {1.25, 1.4})
    results.runs[0].epochs[times < 1.3 ? 0 : 1]["slow_ranks"] = {{{"rank", 1}, {"times", times}, {"phase", "backward"}}};
  EXPECT_THAT(texts(judge_own(summarize(results))), Contains(HasSubstr("rank 1 (backward) took 1.25-1.40 times as long a step as the others, in 2 of 3 epochs.")));
}

TEST_F(Folder, AReportHoldsTheTableTheFailureAndThePublishedRows) {
  write_study();
  write_run("a", true, 0, 2, 1.5);
  write_run("b", true, 2, 1, .01);
  write_run("c", false, 0, 2, 1, "failed");
  const Report report = write_report(path_, [](const std::string&) {});
  const std::string md = text("report.md");
  EXPECT_THAT(md, HasSubstr("Scaled down: a toy"));
  EXPECT_THAT(md, HasSubstr("| on | 0 | 1 | 500.0 |"));
  EXPECT_THAT(md, HasSubstr("affine off, workers 0: disk on fire"));
  EXPECT_THAT(md, HasSubstr("| published: base, w = 2 | 34.96 | 99.10 | .0043 | .0012 |"));
  EXPECT_THAT(md, HasSubstr("ours: not run: needs 8 GPUs"));
  EXPECT_THAT(report.terminal, HasSubstr("loader-bound"));
}

TEST_F(Folder, ThePlotHoldsEveryCellAndOnlyPhasesThatCanBeSeen) {
  write_study();
  write_run("a", true, 0, 2, 1.5);
  write_run("b", false, 2, 1, .5);
  const auto results = collect(read_records(path_));
  const std::string program = plot_program(summarize(results), "made");
  EXPECT_THAT(program, HasSubstr("affine on"));
  EXPECT_THAT(program, HasSubstr("title \"wait\""));
  EXPECT_THAT(program, testing::Not(HasSubstr("title \"upload\"")));
}

TEST(Table, AlignsByColumnsOnTheScreenAndWritesMarkdown) {
  Table table({"name", "µs"});
  table.add({"a", "1"});
  table.add({"bcd", "22"});
  EXPECT_EQ(table.text(), "name  µs\n----  --\na      1\nbcd   22\n");
  EXPECT_EQ(table.markdown(), "| name | µs |\n|---|---:|\n| a | 1 |\n| bcd | 22 |\n");
}

TEST(Numbers, AreWrittenForReaders) {
  EXPECT_EQ(grouped(1234567.4), "1,234,567");
  EXPECT_EQ(significant(0.012345, 3), "0.0123");
  EXPECT_EQ(significant(12345), "12,345");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
}

}  // namespace
}  // namespace millrace
