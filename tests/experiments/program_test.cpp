// The built program, run as a user runs it: exit codes, records, signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/stat.h>

#include "experiments/document.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

const char* const kToy =
    "[data]\nname = \"digits\"\nsubset = 640\nbatch = 64\n[loader]\nworkers = 1\n[[augment]]\nop = \"random_affine\"\nname = "
    "\"affine\"\ndegrees = 10\n"
    "[train]\nmodel = \"toy\"\nepochs = 2\nevaluate_every = 0\nthreads = 1\n";

TEST_F(Program, ABadSpecIsOneLineAHintAndStatus2) {
  EXPECT_EQ(run({"train", spec("[loader]\nwokers = 1\n")}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("spec.toml:2:1: unknown key 'loader.wokers'\n  hint: did you mean 'loader.workers'?\n"));
}

TEST_F(Program, WhatIsNoSpecFileIsSaidToBeWhatItIs) {
  EXPECT_EQ(run({"bench", "loader", folder_.string()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("is a directory, not a spec file"));
  const std::string fifo = (folder_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(run({"bench", "loader", fifo}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("is a FIFO, not a spec file"));
}

TEST_F(Program, SecondsThatAreNoTimeAreStatus2) {
  for (const char* seconds : {"nan", "inf", "-1", "0", "1e9", "x"})
    EXPECT_EQ(run({"bench", "loader", spec(kToy), "--seconds", seconds}), 2) << seconds;
}

TEST_F(Program, OutputThatIsLostIsNotSuccess) {
  const std::string command = std::string(MILLRACE_PROGRAM) + " bench loader " + spec(kToy) + " --seconds 0.05 --json >/dev/full 2>" +
                              (folder_ / "stderr").string();
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("stdout could not be written whole: No space left"));
}

TEST_F(Program, ASecondProcessAtTheSameFolderIsRefused) {
  const RecordFile held(out());
  EXPECT_EQ(run({"train", spec(kToy), "--out", out()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("results.jsonl: another process is writing it"));
}

TEST_F(Program, ACellThatRunsOutOfMemoryFailsAndTheStudyGoesOn) {
  // A slot of 640 rows of 6144 x 6144 is 97 GB; the one row that a forecast makes is 0.15 GB.
  const std::string file = spec(
      "[data]\nname = \"digits\"\nsubset = 640\nbatch = 640\n[loader]\nmemory = \"100 TiB\"\n[[augment]]\nop = \"resize\"\nsize = 28\n[train]\nmodel = \"sleep\"\n"
      "step_microseconds = 0\n[study]\naxes = { \"augment.resize.size\" = [6144, 28] }\n");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers map more than the limit";
#endif
  const std::string command = "ulimit -v 67108864; " MILLRACE_PROGRAM " study " + file + " --out " + out() + " >" +
                              (folder_ / "stdout").string() + " 2>" + (folder_ / "stderr").string();
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 70);
  EXPECT_THAT(text("stderr"), HasSubstr("this run failed: out of memory"));
  EXPECT_THAT(text("stdout"), HasSubstr("over 1 run"));
}

TEST_F(Program, AFolderOfTwoSpecsReportsTheLast) {
  const std::string study = std::string(kToy) + "[study]\naxes = { \"loader.workers\" = [0, 1] }\n";
  ASSERT_EQ(run({"study", spec(study), "--out", out()}), 0) << text("stderr");
  ASSERT_EQ(run({"study", spec(study), "--out", out(), "--set", "train.lr=0.5", "--set", "train.epochs=1"}), 0) << text("stderr");
  ASSERT_EQ(run({"train", spec(kToy), "--out", out(), "--set", "train.lr=0.7"}), 0) << text("stderr");
  ASSERT_EQ(run({"report", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("3 runs of other settings in this folder left out"));
  EXPECT_THAT(text("stdout"), HasSubstr("over 2 runs"));
}

TEST_F(Program, AStopDuringTheLastEvaluationIsAStop) {
  // One step, then 10,000 test pictures enlarged to 256 x 256 by one worker: seconds of evaluation. A stop that also writes a trace is given
  // longer than a busy machine needs to end in order.
  const pid_t child = start({"train",
                             spec("[data]\nname = \"digits\"\nsubset = 64\nbatch = 64\n[loader]\nworkers = 1\n[[augment]]\nop = \"resize\"\nsize = 256\n"
                                  "[train]\nmodel = \"toy\"\nthreads = 1\n"),
                             "--out", out(), "--trace", (folder_ / "trace.json").string()});
  ASSERT_TRUE(says("memory: forecast")) << text("stderr");
  const auto evaluates = [&] {
    kill(child, SIGUSR1);
    return text("stderr").find("rank 0: evaluate") != std::string::npos;
  };
  ASSERT_TRUE(comes_true(evaluates, std::chrono::milliseconds(50))) << text("stderr");
  kill(child, SIGINT);
  EXPECT_EQ(finish(child), 130);
  const auto records = read_records(out());
  ASSERT_GE(records.size(), 3u);
  EXPECT_EQ(records[1]["type"], "epoch");
  EXPECT_TRUE(records[1]["accuracy"].is_null());
  EXPECT_EQ(records.back().value("outcome", ""), "stopped");
}

TEST_F(Program, AMissingSpecIsStatus2) { EXPECT_EQ(run({"bench", "loader", "nowhere.toml"}), 2); }

TEST_F(Program, AnUnknownCommandOrOptionIsStatus2) {
  EXPECT_EQ(run({"grind"}), 2);
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"train", spec(kToy), "--sets", "a=b"}), 2);
  EXPECT_EQ(run({"--version"}), 0);
}

TEST_F(Program, AMissingDataFolderIsStatus3AndSaysWhereItLooked) {
  EXPECT_EQ(run({"bench", "loader", spec("[data]\nname = \"mnist\"\n")}), 3);
  EXPECT_THAT(text("stderr"), HasSubstr("mnist: no folder " + (folder_ / "nothing" / "mnist").string()));
  EXPECT_THAT(text("stderr"), HasSubstr("hint: put the four IDX files there"));
}

TEST_F(Program, ABatchLargerThanTheSetIsStatus2) {
  EXPECT_EQ(run({"train", spec(kToy), "--set", "data.batch=1000", "--out", out()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("--set data.batch: a batch of 1000 is larger than the set"));
  EXPECT_EQ(run({"bench", "loader", spec(kToy), "--set", "data.batch=1000"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("--set data.batch: a batch of 1000 is larger than the set"));
  EXPECT_EQ(run({"train", spec("[data]\nname = \"digits\"\nsubset = 64\nbatch = 65\n"), "--out", out()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("spec.toml:4:9: a batch of 65 is larger than the set"));
}

TEST_F(Program, TrainWritesProvenanceAndOneRecordAnEpoch) {
  ASSERT_EQ(run({"train", spec(kToy), "--out", out(), "--set", "train.evaluate_every=2"}), 0) << text("stderr");
  const auto records = read_records(out());
  ASSERT_THAT(records, SizeIs(4));
  for (const char* key : {"commit", "spec", "spec_digest", "host", "versions", "seed", "cache", "started", "command"})
    EXPECT_TRUE(records[0].contains(key)) << key;
  for (const char* key : {"epoch", "wall_seconds", "images", "phases", "unaccounted_seconds", "evaluate_seconds", "checkpoint_seconds",
                          "loss", "accuracy", "digest", "weights_norm", "ranks"})
    EXPECT_TRUE(records[1].contains(key)) << key;
  for (const char* phase : {"wait", "upload", "forward", "backward", "reduce", "optimizer", "other"})
    EXPECT_TRUE(records[1]["phases"].contains(phase)) << phase;
  EXPECT_EQ(records[1]["images"], 640);
  EXPECT_TRUE(records[1]["loader"].contains("memory"));
  EXPECT_TRUE(records[1]["accuracy"].is_null());
  EXPECT_EQ(records[2]["scored"], 10000);
  EXPECT_THAT(records[2]["per_class_accuracy"], SizeIs(10));
  EXPECT_EQ(records[3]["outcome"], "complete");
}

TEST_F(Program, TrainsOnU8RowsAsOnF32RowsWithWhatIsErasedToo) {
  const auto epochs_with = [&](const std::string& dtype, const std::string& value) {
    const std::string augment = "[[augment]]\nop = \"normalize\"\nmean = 0.1307\nstd = 0.3081\n[[augment]]\nop = \"random_erasing\"\np = 0.6\n"
                                "max_count = 2\ntimm = true\nvalue = \"" + value + "\"\n";
    fs::remove_all(out());
    EXPECT_EQ(run({"train", spec("[data]\nname = \"digits\"\nsubset = 320\ndtype = \"" + dtype + "\"\n" + augment + "[train]\nmodel = \"toy\"\nepochs = 2\nthreads = 1\n"),
                   "--out", out()}), 0) << text("stderr");
    const auto records = read_records(out());
    return std::vector<Json>(records.begin() + 1, records.end() - 1);  // Of the epochs.
  };
  for (const char* value : {"const", "rand", "pixel"}) {
    const auto floats = epochs_with("f32", value), bytes = epochs_with("u8", value);
    ASSERT_THAT(floats, SizeIs(2));
    ASSERT_THAT(bytes, SizeIs(2));
    for (std::size_t e = 0; e < 2; ++e)
      for (const char* key : {"loss", "weights_norm", "accuracy"}) EXPECT_EQ(bytes[e][key], floats[e][key]) << value << ' ' << key;
  }
}

TEST_F(Program, StepsMayEndWithinAnEpoch) {
  ASSERT_EQ(run({"train", spec("[data]\nname = \"digits\"\nsubset = 640\n[train]\nmodel = \"toy\"\nsteps = 13\nevaluate_every = 0\n"),
                 "--out", out()}),
            0)
      << text("stderr");
  const auto records = read_records(out());
  ASSERT_THAT(records, SizeIs(4));
  EXPECT_EQ(records[2]["steps"], 3);
}

TEST_F(Program, AStudyIsResumedAndReported) {
  const std::string file = spec(std::string(kToy) + "[study]\naxes = { \"loader.workers\" = [0, 1] }\nrepeat = 2\n");
  ASSERT_EQ(run({"study", file, "--out", out(), "--only", "loader.workers=1"}), 0) << text("stderr");
  const auto first = read_records(out()).size();
  ASSERT_EQ(run({"study", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("[2/4] workers 1, repetition 1: done before, passed over"));
  EXPECT_EQ(read_records(out()).size(), 2 * first);
  ASSERT_EQ(run({"report", out()}), 0);
  EXPECT_THAT(text("stdout"), HasSubstr("ooks close"));
  EXPECT_TRUE(fs::exists(fs::path(out()) / "report.md"));
  EXPECT_TRUE(fs::exists(fs::path(out()) / "plot.gp"));
}

TEST_F(Program, TheSameSeedsGiveTheSameDigestForAnyWorkers) {
  ASSERT_EQ(run({"bench", "loader", spec(kToy), "--epochs", "2", "--json"}), 0) << text("stderr");
  const Json one = last_line();
  ASSERT_EQ(run({"bench", "loader", spec(kToy), "--epochs", "2", "--json", "--set", "loader.workers=0"}), 0);
  EXPECT_EQ(one["digest"], last_line()["digest"]);
  EXPECT_EQ(one["batches"], 20);
}

TEST_F(Program, BenchLoaderEndsWithOneObject) {
  ASSERT_EQ(run({"bench", "loader", spec(kToy), "--seconds", "0.1", "--json"}), 0) << text("stderr");
  const Json line = last_line();
  for (const char* key : {"images_per_second", "first_batch_seconds", "cpu_seconds_per_1000_images", "peak_rss_bytes", "loader_bytes",
                          "batches", "graph_us_per_message", "graph_images_per_second"}) {
    ASSERT_TRUE(line.contains(key)) << key;
    EXPECT_GT(line[key].get<double>(), 0) << key;
  }
}

TEST_F(Program, BenchStepEndsWithOneObject) {
  ASSERT_EQ(run({"bench", "step", spec(kToy), "--seconds", "0.1", "--json"}), 0) << text("stderr");
  EXPECT_GT(last_line()["images_per_second"].get<double>(), 0);
  EXPECT_GT(last_line()["step_seconds"].get<double>(), 0);
}

TEST_F(Program, WithoutJsonTheBenchesPrintTables) {
  ASSERT_EQ(run({"bench", "step", spec(kToy), "--seconds", "0.05"}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("optimizer"));
  ASSERT_EQ(run({"bench", "loader", spec(kToy), "--seconds", "0.05"}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("us/image"));
}

class Signal : public Program, public testing::WithParamInterface<int> {};

TEST_P(Signal, StopsWithinSecondsAndLeavesWholeLines) {
  // A stop that also writes a trace is given 25 s rather than half a second, which a busy machine may need to end in order.
  const pid_t child = start({"train", spec(kToy), "--out", out(), "--set", "train.epochs=100000", "--trace", (folder_ / "trace.json").string()});
  ASSERT_TRUE(comes_true([&] { return read_records(out(), true).size() >= 3; })) << text("stderr");
  const auto sent = std::chrono::steady_clock::now();
  kill(child, GetParam());
  EXPECT_EQ(finish(child), 128 + GetParam());
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(20));
  const auto records = read_records(out());
  EXPECT_EQ(records.back()["outcome"], "stopped");
  EXPECT_FALSE(RecordFile(out()).repaired());
}
TEST_P(Signal, IsHeardWhileLibrariesAreStillLoaded) {
  const pid_t child = start({"train", spec(kToy), "--out", out(), "--set", "train.epochs=100000"});
  // From where the program begins to hold signals back, long before its libraries are there.
  const auto holds = [&] {
    std::ifstream status("/proc/" + std::to_string(child) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigBlk:")) return (std::stoul(line.substr(7), nullptr, 16) >> (GetParam() - 1) & 1) != 0;
    return false;
  };
  ASSERT_TRUE(comes_true(holds, std::chrono::milliseconds(1)));
  const auto sent = std::chrono::steady_clock::now();
  kill(child, GetParam());
  EXPECT_EQ(finish(child), 128 + GetParam());
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(2));
}

INSTANTIATE_TEST_SUITE_P(Both, Signal, testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace millrace
