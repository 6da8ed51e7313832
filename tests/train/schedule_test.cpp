#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

#include "tests/train/trainer_fixture.h"
#include "train/schedule.h"

namespace millrace::testing {
namespace {

using train::LrScaling;
using train::Schedule;
using train::ScheduleKind;

ScheduleKind kind_of(const std::string& name) {
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "step") return ScheduleKind::step;
  if (name == "one-cycle") return ScheduleKind::one_cycle;
  return ScheduleKind::constant;
}

/// torch's schedulers go from rate to rate and gather rounding; ours are closed forms in double.
TEST(Schedule, GivesTheRatesOfTorchsSchedulers) {
  std::ifstream file(MILLRACE_SOURCE_DIR "/tests/train/golden_schedules.txt");
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    SCOPED_TRACE(line.substr(0, 60));
    std::istringstream in(line);
    train::TrainOptions options = options_for("toy");
    train::ScheduleOptions& s = options.schedule;
    std::string kind;
    in >> kind >> s.every_step >> s.warmup_epochs >> s.warmup_start >> s.step_epochs >> s.step_factor >> s.epochs >> s.steps_an_epoch >> options.lr;
    s.kind = kind_of(kind);
    const Schedule schedule(options);
    std::uint64_t step = 0;
    for (double rate; in >> rate; ++step) EXPECT_NEAR(schedule.at(step), rate, 1e-9 * options.lr) << "step " << step;
    EXPECT_EQ(step, s.epochs * s.steps_an_epoch);
    ++cases;
  }
  EXPECT_GE(cases, 11);
}

/// fashion-ddp: lr (s + (1 - s) min(e, 5) / 5) with s = 1 / 4.
TEST(Schedule, WarmsUpFromWhereItIsTold) {
  train::TrainOptions options = options_for("toy");
  options.lr = 1;
  options.schedule.warmup_epochs = 5;
  options.schedule.warmup_start = 0.25;
  options.schedule.epochs = 8;
  options.schedule.steps_an_epoch = 10;
  const Schedule four(options);
  const double expected[] = {.25, .40, .55, .70, .85, 1, 1, 1};
  for (std::uint64_t epoch = 0; epoch < 8; ++epoch)
    for (const std::uint64_t step : {0u, 9u}) EXPECT_NEAR(four.at(epoch * 10 + step), expected[epoch], 1e-12);
}

/// A rank that only says which of how many it is.
struct SaysItsRank final : train::World {
  explicit SaysItsRank(int ranks) : ranks_(ranks) {}
  int rank() const override { return 0; }
  int size() const override { return ranks_; }
  std::string name() const override { return "test"; }
  std::vector<std::string> all_gather(const std::string&) override { return {}; }
  void barrier() override {}
  void abort(const std::string&) noexcept override {}
  const int ranks_;
};

TEST(Schedule, WarmsUpTheSameWhateverTheRanks) {
  train::TrainOptions options = options_for("toy");
  options.lr = 1;
  options.schedule.warmup_epochs = 2;
  options.schedule.epochs = 4;
  options.schedule.steps_an_epoch = 10;
  for (const int ranks : {0, 2, 8}) {
    options.world = ranks ? std::make_shared<SaysItsRank>(ranks) : nullptr;
    const Schedule schedule(options);
    EXPECT_NEAR(schedule.at(0), 1.0 / 3, 1e-12) << ranks << " ranks: torch's LinearLR begins at a third";
    EXPECT_NEAR(schedule.at(10), 2.0 / 3, 1e-12);
    EXPECT_EQ(schedule.at(20), 1);
  }
}

/// Goyal et al.: from the rate that was meant for the small batch up to the scaled one.
TEST(Schedule, WarmsUpFromTheUnscaledRateWhereItWasScaled) {
  train::TrainOptions options = options_for("toy");
  options.lr = 0.1;
  options.global_batch = 256;
  options.lr_scaling = LrScaling::linear;
  options.schedule.warmup_epochs = 2;
  options.schedule.epochs = 4;
  options.schedule.steps_an_epoch = 10;
  EXPECT_NEAR(Schedule(options).at(0), 0.1, 1e-12);
  EXPECT_NEAR(Schedule(options).at(20), 0.8, 1e-12);
}

/// torch's CosineAnnealingLR(T_max = 16) and OneCycleLR(total_steps = 24) within epochs of 32 and 938 steps.
TEST(Schedule, EndsWithTheRunAndNotWithItsEpoch) {
  train::TrainOptions options = options_for("toy");
  options.lr = 0.05;
  options.schedule.kind = ScheduleKind::cosine;
  options.schedule.every_step = true;
  options.schedule.steps_an_epoch = 32;
  options.schedule.steps = 16;
  EXPECT_NEAR(Schedule(options).at(15), 0.05 / 2 * (1 + std::cos(std::numbers::pi * 15 / 16)), 1e-12);
  options.schedule.kind = ScheduleKind::one_cycle;
  options.schedule.steps_an_epoch = 938;
  options.schedule.steps = 24;
  EXPECT_NEAR(Schedule(options).at(23), 0.05 / 25 * 1e-4, 1e-12);
}

/// The rules' values in the fashion-ddp study: from (0.01, 32), G = 128, 512, 1024.
TEST(Schedule, ScalesWithTheGlobalBatch) {
  for (const auto& [batch, linear, root] : {std::tuple{128u, .04, .02}, {512u, .16, .04}, {1024u, .32, .0565685}}) {
    train::TrainOptions options = options_for("toy");
    options.lr = 0.01;
    options.global_batch = batch;
    EXPECT_EQ(Schedule(options).base(), 0.01);
    options.lr_scaling = LrScaling::linear;
    EXPECT_NEAR(Schedule(options).base(), linear, 1e-12);
    options.lr_scaling = LrScaling::square_root;
    EXPECT_NEAR(Schedule(options).base(), root, 1e-7);
  }
}

TEST(Schedule, StaysAtItsEndBeyondThePlan) {
  train::TrainOptions options = options_for("toy");
  options.schedule.epochs = 2;
  options.schedule.steps_an_epoch = 3;
  for (const ScheduleKind kind : {ScheduleKind::cosine, ScheduleKind::one_cycle})
    for (const bool every_step : {false, true}) {
      options.schedule.kind = kind;
      options.schedule.every_step = every_step;
      const Schedule schedule(options);
      const double end = schedule.at(every_step && kind == ScheduleKind::cosine ? 6 : kind == ScheduleKind::cosine ? 6 : 5);
      EXPECT_EQ(schedule.at(100), end);
      EXPECT_TRUE(std::isfinite(end) && end >= 0);
    }
}

TEST(Schedule, RefusesWhatHasNoMeaning) {
  const auto refused = [](auto&& change) {
    train::TrainOptions options = options_for("toy");
    change(options);
    return error_of([&] { Schedule s(options); }) == ErrorKind::usage;
  };
  EXPECT_TRUE(refused([](auto& o) { o.lr = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.lr = INFINITY; }));
  EXPECT_TRUE(refused([](auto& o) { o.schedule.warmup_start = 2; }));
  EXPECT_TRUE(refused([](auto& o) { o.schedule.warmup_epochs = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.schedule.step_epochs = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.schedule.steps_an_epoch = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.lr_scaling = LrScaling::linear, o.base_batch = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.schedule.kind = ScheduleKind::one_cycle, o.schedule.warmup_epochs = 1; }));
}

}  // namespace
}  // namespace millrace::testing
