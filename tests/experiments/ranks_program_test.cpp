// Several ranks, as a user asks for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "experiments/evaluation.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const char* const kToy =
    "[data]\nname = \"digits\"\nsubset = 650\nbatch = 64\n[loader]\nworkers = 1\n[train]\nmodel = \"toy\"\nepochs = 2\nlr = 0.05\nthreads = 1\n";

class RanksProgram : public Program {
 protected:
  /// The epochs of one run.
  std::vector<Json> epochs(std::vector<std::string> more) {
    const std::string folder = (folder_ / ("out" + std::to_string(++runs_))).string();
    std::vector<std::string> arguments{"train", spec(kToy), "--out", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run(arguments), 0) << text("stderr");
    std::vector<Json> out;
    for (const Json& record : read_records(folder))
      if (record["type"] == "epoch") out.push_back(record);
    return out;
  }
  int runs_ = 0;
};

TEST_F(RanksProgram, TrainTheSameBatchesToTheSameWeightsAndScores) {
  const auto alone = epochs({});
  for (const char* ranks : {"2", "4"}) {
    const auto together = epochs({"--ranks", ranks});
    ASSERT_EQ(together.size(), alone.size());
    for (std::size_t e = 0; e < alone.size(); ++e) {
      EXPECT_EQ(together[e]["digest"], alone[e]["digest"]);
      EXPECT_EQ(together[e]["images"], 650);
      EXPECT_EQ(together[e]["scored"], alone[e]["scored"]);
      EXPECT_EQ(together[e]["class_count"], alone[e]["class_count"]);
      EXPECT_NEAR(together[e]["weights_norm"].get<double>(), alone[e]["weights_norm"].get<double>(), 1e-5);
      EXPECT_NEAR(together[e]["evaluation_loss"].get<double>(), alone[e]["evaluation_loss"].get<double>(), 1e-5);
    }
    EXPECT_EQ(std::to_string(together[0]["ranks"].size()), ranks);
    EXPECT_EQ(together[0]["ranks"][1]["rank"], 1);
  }
}

TEST(EvaluationBesideTest, CountsWhatAWayOfScoringMissesAndRepeats) {
  const auto of = [](EvaluationBeside how, std::uint64_t images, std::uint64_t batch, std::uint64_t ranks) {
    const Counted c = counted_by(how, images, batch, ranks);
    return std::vector<std::uint64_t>{c.scored, c.missed, c.doubled};
  };
  using Counts = std::vector<std::uint64_t>;
  // The published study's: 4 ranks of 32, 128 and 256 rows.
  EXPECT_EQ(of(EvaluationBeside::drop_last, 10000, 128, 4), (Counts{9984, 16, 0}));
  EXPECT_EQ(of(EvaluationBeside::drop_last, 10000, 512, 4), (Counts{9728, 272, 0}));
  EXPECT_EQ(of(EvaluationBeside::drop_last, 10000, 1024, 4), (Counts{9216, 784, 0}));
  EXPECT_EQ(of(EvaluationBeside::drop_last, 100, 128, 4), (Counts{0, 100, 0}));
  EXPECT_EQ(of(EvaluationBeside::padded, 10000, 128, 4), (Counts{10000, 0, 0}));
  EXPECT_EQ(of(EvaluationBeside::padded, 10001, 128, 4), (Counts{10004, 0, 3}));
  EXPECT_EQ(of(EvaluationBeside::replicated, 10000, 128, 4), (Counts{40000, 0, 30000}));
  EXPECT_EQ(of(EvaluationBeside::none, 10000, 128, 4), (Counts{10000, 0, 0}));
}

TEST_F(RanksProgram, ShowAnotherWayOfScoringBesideTheExactOne) {
  const Json exact = epochs({"--ranks", "3"}).back();
  const double scored = exact["scored"], correct = exact["accuracy"].get<double>() * scored;
  for (const char* how : {"drop_last", "padded", "replicated"}) {
    const Json record = epochs({"--ranks", "3", "--set", std::string("train.evaluation_beside=") + how, "--set", "data.batch=96"}).back();
    const Json beside = record["evaluation_beside"];
    EXPECT_EQ(beside["how"], how);
    EXPECT_EQ(record["scored"], exact["scored"]);
    const double beside_scored = beside["scored"], beside_correct = beside["accuracy"].get<double>() * beside_scored;
    EXPECT_NEAR(beside_correct, std::round(beside_correct), 1e-6) << how;
    const double own_correct = record["accuracy"].get<double>() * scored;
    if (how == std::string("replicated")) {
      EXPECT_EQ(beside_scored, 3 * scored);
      EXPECT_NEAR(beside_correct, 3 * own_correct, 1e-6);
      EXPECT_NEAR(beside["loss"].get<double>(), record["evaluation_loss"].get<double>(), 1e-5);
    } else {
      const double differs = beside["missed"].get<double>() + beside["doubled"].get<double>();
      EXPECT_GT(differs, 0) << how;
      EXPECT_EQ(beside_scored, scored - beside["missed"].get<double>() + beside["doubled"].get<double>());
      const double off = (beside_correct - own_correct) * (how == std::string("padded") ? 1 : -1);
      EXPECT_GE(off, -1e-6) << how;
      EXPECT_LE(off, differs + 1e-6) << how;
    }
  }
  EXPECT_GT(correct, 0);
  EXPECT_FALSE(exact.contains("evaluation_beside"));
}

TEST_F(RanksProgram, SayHowABatchIsSplit) {
  epochs({"--ranks", "3"});
  EXPECT_THAT(text("stderr"), HasSubstr("rank batch 22 on rank 0 and 21 on the others, global batch 64, 11 steps an epoch, 22 steps, lr 0.05"));
  EXPECT_THAT(text("stderr"), HasSubstr("on 3 ranks (local), each cpu (1 thread); workers 1 a rank"));
}

TEST_F(RanksProgram, ABatchARankIsMultiplied) {
  const std::string file = spec("[data]\nname = \"digits\"\nsubset = 640\nbatch_per_rank = 32\n[train]\nmodel = \"toy\"\nranks = 2\nevaluate_every = 0\n");
  ASSERT_EQ(run({"train", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("rank batch 32, global batch 64, 10 steps an epoch"));
}

TEST_F(RanksProgram, DataParallelIsOneRankWithReplicas) {
  const auto alone = epochs({}), together = epochs({"--set", "train.mode=dp", "--ranks", "2"});
  EXPECT_EQ(together[1]["digest"], alone[1]["digest"]);
  EXPECT_NEAR(together[1]["weights_norm"].get<double>(), alone[1]["weights_norm"].get<double>(), 1e-5);
  EXPECT_EQ(together[1]["ranks"].size(), 1u);
}

TEST_F(RanksProgram, ALossThatIsNotFiniteEndsAllWithStatus3AndOneLine) {
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.lr=1e6", "--set", "train.weight_decay=1e6"}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("forward: the loss is not finite"));
  EXPECT_THAT(read_records(out()).back()["outcome"], "failed");
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.lr=1e6", "--set",
                 "train.weight_decay=1e6", "--set", "train.on_nonfinite=go-on"}), 0) << text("stderr");
}

TEST_F(RanksProgram, StopTogetherOnASignal) {
  const pid_t child = start({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.model=sleep", "--set", "train.epochs=1000",
                             "--set", "train.step_microseconds=20000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  kill(child, SIGTERM);
  EXPECT_EQ(finish(child), 143) << text("stderr");
  EXPECT_THAT(text("stderr"), Not(HasSubstr("rank 1")));
}

TEST_F(RanksProgram, AStopDoesNotCutAStepOfSeveralBatchesInWhichRanksWaitForOneAnother) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::string folder = out() + std::to_string(attempt);
    // With a trace a stop may take longer before it is cut short: time for a busy machine.
    const pid_t child = start({"train", spec(kToy), "--out", folder, "--ranks", "2", "--set", "train.model=toy-norm", "--set", "train.norm=syncbn", "--set",
                               "train.accumulate=3", "--set", "train.epochs=100000", "--set", "train.evaluate_every=0", "--trace", folder + ".json"});
    ASSERT_TRUE(comes_true([&] { return read_records(folder, true).size() >= 2; })) << text("stderr");
    std::this_thread::sleep_for(std::chrono::milliseconds(130 * attempt));
    kill(child, SIGTERM);
    EXPECT_EQ(finish(child), 143) << text("stderr");
    EXPECT_THAT(text("stderr"), AllOf(Not(HasSubstr("BatchNorm")), Not(HasSubstr("rank 1")), Not(HasSubstr("at once"))));
    EXPECT_EQ(read_records(folder).back()["outcome"], "stopped");
  }
}

TEST_F(RanksProgram, AStudyCanSweepRanks) {
  const std::string file = spec(std::string(kToy) + "evaluate_every = 0\n[study]\naxes = { \"train.ranks\" = [1, 2] }\n");
  ASSERT_EQ(run({"study", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("ranks  runs"));
}

TEST_F(RanksProgram, WhatCannotBeIsStatus2) {
  for (const auto& [key, message] : std::vector<std::pair<std::string, std::string>>{
           {"train.mode=single", "train.mode = \"single\" has one rank"}, {"train.sync=bucketted", "did you mean 'bucketed'"}, {"train.ranks=0", "1 to 256"}}) {
    EXPECT_EQ(run({"train", spec(std::string(kToy) + "ranks = 2\n"), "--set", key}), 2);
    EXPECT_THAT(text("stderr"), HasSubstr(message));
  }
  EXPECT_EQ(run({"train", spec(kToy), "--ranks", "300"}), 2);
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "4", "--set", "data.batch=2"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("a global batch of 2 rows cannot be dealt to 4 ranks"));
}

}  // namespace
}  // namespace millrace
