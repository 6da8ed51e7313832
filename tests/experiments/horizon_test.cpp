// What a run knows of itself at its start, and how it counts: horizons, tails, positions, settings that do nothing.
#include <gmock/gmock.h>

#include <cmath>

#include "program_fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Horizon : public Program {
 protected:
  std::string digits(const std::string& train, const std::string& data = "subset = 320\nbatch = 32\n", const std::string& loader = "") {
    return spec("[data]\nname = \"digits\"\n" + data + "[loader]\nworkers = 0\n" + loader + "[train]\nthreads = 1\nevaluate_every = 0\n" + train);
  }
  Json last_epoch() {
    Json last;
    for (const Json& record : read_records(out()))
      if (record["type"] == "epoch") last = record;
    return last;
  }
};

/// torch: CosineAnnealingLR(T_max = 5) after four steps.
TEST_F(Horizon, AScheduleEndsWithTheStepsOfTheRun) {
  ASSERT_EQ(run({"train", digits("model = \"toy\"\nlr = 0.05\nsteps = 5\nschedule = \"cosine\"\nschedule_every = \"step\"\n"), "--out", out()}), 0) << text("stderr");
  EXPECT_NEAR(last_epoch()["lr"].get<double>(), 0.05 / 2 * (1 + std::cos(3.14159265358979 * 4 / 5)), 1e-9);
}

TEST_F(Horizon, AWarmUpIsTheSameOnOneRankAndTwo) {
  const std::string file = digits("model = \"toy\"\nlr = 0.05\nepochs = 3\nwarmup_epochs = 2\nschedule_every = \"step\"\n");
  for (const char* ranks : {"1", "2"}) {
    std::filesystem::remove_all(out());
    ASSERT_EQ(run({"train", file, "--out", out(), "--ranks", ranks}), 0) << text("stderr");
    EXPECT_NEAR(read_records(out())[1]["lr"].get<double>(), 0.05 * (1.0 / 3 + 2.0 / 3 * 9 / 20), 1e-9) << ranks;
  }
}

TEST_F(Horizon, WhatAScheduleNeverComesToIsSaid) {
  const auto said = [&](const std::string& train) {
    EXPECT_EQ(run({"train", digits("model = \"toy\"\n" + train), "--out", out()}), 0) << text("stderr");
    std::filesystem::remove_all(out());
    return text("stderr");
  };
  EXPECT_THAT(said("epochs = 2\nwarmup_epochs = 5\n"), HasSubstr("train.warmup_epochs = 5 in a run of 2 epochs: the full rate is never reached"));
  EXPECT_THAT(said("epochs = 2\nschedule = \"step\"\n"), HasSubstr("train.step_epochs = 30 in a run of 2 epochs: the rate never steps down"));
  EXPECT_THAT(said("schedule = \"cosine\"\n"), HasSubstr("in a run of 1 epoch: it stays as it is"));
  EXPECT_THAT(said("steps = 5\nschedule = \"cosine\"\n"), HasSubstr("in a run of 0.5 epochs: it stays as it is"));
  EXPECT_THAT(said("target_accuracy = 0.9\n"), HasSubstr("train.target_accuracy has no effect with evaluate_every = 0"));
  EXPECT_THAT(said("epochs = 3\nwarmup_epochs = 1\nschedule = \"step\"\nstep_epochs = 1\n"), Not(HasSubstr("warning")));
}

TEST_F(Horizon, ATailThatBatchNormRefusesIsRefusedBeforeTheFirstStep) {
  // 28 x 28 are one pixel in ResNet-18's last stage.
  const std::string file = digits("model = \"resnet18\"\n", "subset = 33\nbatch = 16\n");
  EXPECT_EQ(run({"train", file, "--out", out()}), 2);
  EXPECT_THAT(text("stderr"), AllOf(HasSubstr("the last batch of an epoch has 1 row, and BatchNorm in resnet18 cannot train on one row"),
                                    HasSubstr("loader.drop_last = true leaves that batch out")));
  EXPECT_EQ(run({"train", file, "--out", out(), "--ranks", "2", "--set", "data.subset=35"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("has 3 rows, dealt to 2 ranks"));
  // Where a row is many values, one row does.
  EXPECT_EQ(run({"train", file, "--out", out(), "--set", "train.model=toy-norm"}), 0) << text("stderr");
}

TEST_F(Horizon, PositionsCountFromTheEpochsBeginningWhateverWasKeptMeanwhile) {
  for (const char* ranks : {"1", "2"}) {
    std::filesystem::remove_all(out());
    const std::string file = digits("model = \"toy\"\nlr = 1e6\nweight_decay = 1e6\ncheckpoint_every_steps = 1\n");
    EXPECT_EQ(run({"train", file, "--out", out(), "--ranks", ranks}), 3);
    const std::string parts = text("stderr");
    std::filesystem::remove_all(out());
    EXPECT_EQ(run({"train", file, "--out", out(), "--ranks", ranks, "--set", "train.checkpoint_every_steps=0"}), 3);
    const auto place = [](const std::string& text) { return text.substr(text.find("epoch 1, step "), 16); };
    EXPECT_EQ(place(parts), place(text("stderr")));
    EXPECT_THAT(place(parts), Not(HasSubstr("step 1,")));
  }
}

TEST_F(Horizon, WeightsThatAreOutOfBoundsPushOutNoGoodOnes) {
  const std::string file = digits("model = \"toy\"\nlr = 1e6\nweight_decay = 1e6\non_nonfinite = \"go-on\"\ncheckpoint_every_steps = 1\nkeep_checkpoints = 1\n");
  EXPECT_EQ(run({"train", file, "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("the loss or the weights have gone out of bounds; those before it stay"));
  ASSERT_FALSE(std::filesystem::is_empty(std::filesystem::path(out()) / "checkpoints"));
  for (const auto& kept : std::filesystem::directory_iterator(std::filesystem::path(out()) / "checkpoints")) {
    std::ifstream in(kept.path() / "state.json");
    const Json norm = Json::parse(in)["epoch_so_far"]["weights_norm"];
    ASSERT_TRUE(norm.is_number()) << kept.path();
    EXPECT_LT(norm.get<double>(), 1.8e19) << kept.path();
  }
}

TEST_F(Horizon, ARunSaysWhetherItsWeightsWereKept) {
  ASSERT_EQ(run({"train", digits("model = \"toy\"\n"), "--out", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("no weights were kept: train.checkpoint_every = 1 keeps"));
  ASSERT_EQ(run({"train", digits("model = \"toy\"\ncheckpoint_every = 1\n"), "--out", out() + "2"}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), HasSubstr("out2/checkpoints/step-000000010/weights.safetensors\n"));
}

/// Three pictures and four ranks.
TEST_F(Horizon, AnEvaluationOfFewerPicturesThanRanksScoresThem) {
  const std::filesystem::path data = folder_ / data_root_;
  const auto picture = [&](const std::string& set, const std::string& name, unsigned char value) {
    std::filesystem::create_directories(data / set / name.substr(0, 1));
    std::ofstream out(data / set / name.substr(0, 1) / (name + ".bmp"), std::ios::binary);
    const std::string header("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0\x10\0\0\0\x01\0\x18\0\0\0\0\0\0\x03\0\0", 38);
    out << header + std::string(16, '\0') + std::string(16 * 16 * 3, static_cast<char>(value));
  };
  for (int i = 0; i < 6; ++i) picture("train", "a" + std::to_string(i), 10), picture("train", "b" + std::to_string(i), 200);
  picture("test", "a0", 10), picture("test", "b0", 200), picture("test", "b1", 200);
  const std::string file = spec("[data]\nname = \"folder\"\npath = \"train\"\ntest_path = \"test\"\nbatch = 4\n[loader]\nworkers = 0\n[[augment]]\nop = \"resize\"\nsize = 16\n"
                                "[train]\nmodel = \"toy\"\nthreads = 1\n");
  for (const char* beside : {"none", "padded", "drop_last", "replicated"}) {
    std::filesystem::remove_all(out());
    ASSERT_EQ(run({"train", file, "--out", out(), "--ranks", "4", "--set", std::string("train.evaluation_beside=") + beside}), 0) << text("stderr");
    const Json epoch = last_epoch();
    EXPECT_EQ(epoch["scored"], 3) << beside;
    EXPECT_EQ(epoch["class_count"], Json({1, 2})) << beside;
    const Json other = epoch.value("evaluation_beside", Json::object()).value("accuracy", Json());
    if (other.is_number()) {
      EXPECT_LE(other.get<double>(), 1) << beside;
    }
  }
}

TEST_F(Horizon, AFolderOfTrainingRunsIsReportedBesideAStoppedStudy) {
  const std::string file = spec("[data]\nname = \"digits\"\nsubset = 64\nbatch = 32\n[train]\nmodel = \"toy\"\nthreads = 1\nevaluate_every = 0\n[study]\naxes = { \"loader.workers\" = [0, 1] }\n");
  ASSERT_EQ(run({"train", file, "--set", "train.lr=0.5", "--out", out()}), 0) << text("stderr");
  {
    RecordFile records(out());
    records.append({{"type", "study"}, {"name", "spec"}, {"axes", {{"loader.workers", {0, 1}}}}, {"runs", {{{"digest", "0123456789abcdef"}, {"cell", {{"loader.workers", 0}}}, {"repetition", 0}}}}});
  }
  EXPECT_EQ(run({"report", out()}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("has no finished run yet: shown are the other runs of this folder"));
}

}  // namespace
}  // namespace millrace
