#include <cmath>
#include <thread>

#include "tests/train/fake_engine.h"
#include "tests/train/trainer_fixture.h"

// The trainer's loop over an engine that looks like a GPU's.
namespace millrace::testing {
namespace {

struct Loop {
  explicit Loop(const train::TrainOptions& options = options_for("sleep")) : trainer(std::unique_ptr<train::Engine>(engine), options) {}
  FakeEngine* engine = new FakeEngine; ///< The trainer's.
  train::EngineTrainer trainer;
};

using Listener = std::function<void(const train::Progress&)>;

train::EpochResult train_on(Loop& loop, BatchStream& stream, const Listener& listener = {}) {
  train::Trainer& trainer = loop.trainer;
  return trainer.train_epoch(stream, {}, listener);
}

TEST(LossOnADevice, ThatIsNotFiniteEndsTheEpochWithinAProgressIntervalWhoeverListens) {
  for (const bool listening : {false, true}) {
    Loop loop;
    std::uint64_t steps = 0;
    loop.engine->on_step = [&](std::uint64_t step) {
      steps = step;
      if (step == 3) loop.engine->sum_of_losses = std::nan("");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    };
    MemoryStream stream(digits(), 1, 2000); // 10 s, unless it ends early: a hundred progress intervals.
    std::string message;
    const Listener heard = [](const train::Progress&) {};
    EXPECT_EQ(error_of([&] { train_on(loop, stream, listening ? heard : Listener{}); }, &message), ErrorKind::data);
    EXPECT_NE(message.find("or before, forward: the loss is not finite | a smaller train.lr"), std::string::npos) << message;
    EXPECT_LT(steps, 2000u);
  }
}

TEST(LossOnADevice, ThatIsNotFiniteIsSeenAtTheEndOfAShortEpoch) {
  Loop loop;
  loop.engine->on_step = [&](std::uint64_t) { loop.engine->sum_of_losses = INFINITY; };
  MemoryStream stream(digits(), 1, 2);
  std::string message;
  EXPECT_EQ(error_of([&] { train_on(loop, stream); }, &message), ErrorKind::data);
  EXPECT_NE(message.find("epoch 1, at step 2 or before, forward: the loss is not finite"), std::string::npos) << message;
}

TEST(LossOnADevice, MayBeWhateverItIsWhereTheRunIsToGoOn) {
  auto options = options_for("sleep");
  options.stop_at_nonfinite = false;
  Loop loop(options);
  loop.engine->on_step = [&](std::uint64_t) { loop.engine->sum_of_losses = std::nan(""); };
  MemoryStream stream(digits(), 1, 20);
  EXPECT_EQ(train_on(loop, stream).steps, 20u);
}

TEST(LossOnADevice, TravelsBetweenRanksAsNaNWhereItIsNotFinite) {
  std::array<double, train::Tally::kValues> values{64, 0, 0, 0, 0};
  EXPECT_EQ(train::Tally::of(values).nonfinite, 0);
  values[train::Tally::kNonfinite] = std::nan("");
  EXPECT_GT(train::Tally::of(values).nonfinite, 0);
  EXPECT_FALSE(train::Tally::of(values).steps());
}

/// Two ranks of which the other says what this one says.
struct TwoRanks final : train::World {
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::string name() const override { return "two"; }
  std::vector<std::string> all_gather(const std::string& words) override { return {words, words}; }
  void barrier() override {}
  void abort(const std::string&) noexcept override {}
};

/// Batches on the device when each step is concluded, of an epoch of five or of `max_steps`.
std::vector<std::size_t> ahead(std::uint64_t max_steps) {
  auto options = options_for("sleep");
  options.world = std::make_shared<TwoRanks>();
  Loop loop(options);
  std::vector<std::size_t> uploaded;
  loop.engine->on_conclude = [&](std::size_t n) { uploaded.push_back(n); };
  MemoryStream stream(digits(), 1, 5);
  static_cast<train::Trainer&>(loop.trainer).train_epoch(stream, {}, {}, max_steps);
  EXPECT_EQ(stream.home->home, static_cast<int>(uploaded.size())) << "no batch is taken that is not trained on";
  return uploaded;
}

TEST(Ranks, UploadTheNextBatchBeforeTheyWaitForOneAnother) {
  EXPECT_EQ(ahead(100), (std::vector<std::size_t>{1, 1, 1, 1, 0}));
  EXPECT_EQ(ahead(3), (std::vector<std::size_t>{1, 1, 0}));
}

TEST(UploadBenchmark, GivesEveryBatchBackAndHoldsNoMoreThanTheDeviceHasRoomFor) {
  Loop loop;
  MemoryStream stream(digits(), 4, 30);
  const auto result = static_cast<train::Trainer&>(loop.trainer).bench_upload(stream, 60, {});
  EXPECT_EQ(result.steps, 30u);
  EXPECT_EQ(stream.home->home, 30);
}

}  // namespace
}  // namespace millrace::testing
