// Several ranks, as a user asks for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

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
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.lr=1e6", "--set", "train.epochs=20"}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("forward: the loss is not finite"));
  EXPECT_THAT(read_records(out()).back()["outcome"], "failed");
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.lr=1e6", "--set", "train.on_nonfinite=go-on"}), 0) << text("stderr");
}

TEST_F(RanksProgram, StopTogetherOnASignal) {
  const pid_t child = start({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.model=sleep", "--set", "train.epochs=1000",
                             "--set", "train.step_microseconds=20000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  kill(child, SIGTERM);
  EXPECT_EQ(finish(child), 143) << text("stderr");
  EXPECT_THAT(text("stderr"), Not(HasSubstr("rank 1")));
}

TEST_F(RanksProgram, AStudyCanSweepRanks) {
  const std::string file = spec(std::string(kToy) + "evaluate_every = 0\n[study]\naxes = { \"train.ranks\" = [1, 2] }\n");
  ASSERT_EQ(run({"study", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("train.ranks"));
}

TEST_F(RanksProgram, WhatCannotBeIsStatus2) {
  for (const auto& [key, message] : std::vector<std::pair<std::string, std::string>>{
           {"train.mode=single", "train.mode = \"single\" has one rank"}, {"train.sync=bucketted", "did you mean 'bucketed'"}, {"train.ranks=0", "1 to 256"}}) {
    EXPECT_EQ(run({"train", spec(std::string(kToy) + "ranks = 2\n"), "--set", key}), 2);
    EXPECT_THAT(text("stderr"), HasSubstr(message));
  }
  EXPECT_EQ(run({"train", spec(kToy), "--ranks", "300"}), 2);
}

}  // namespace
}  // namespace millrace
