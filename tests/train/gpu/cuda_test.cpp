#include <gmock/gmock.h>

#include <thread>

#include "tests/train/trainer_fixture.h"

// What needs a GPU. Skips visibly where there is none.
namespace millrace::testing {
namespace {

class Cuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "no GPU";
  }
  static SlotMemory& locked() { return millrace_train_api()->page_locked_memory(); }
  /// Weights after an epoch; 1e-4 apart between devices, since sums are taken in other orders (and TF32 is off by default).
  static std::vector<float> trained(const train::TrainOptions& options, SlotMemory& memory) {
    const auto trainer = make(options);
    MemoryStream stream(options.input, 32, 12, 9, memory);
    EXPECT_EQ(train_on(*trainer, stream).steps, 12u);
    EXPECT_EQ(stream.home->home, 12);
    return weights_of(*trainer);
  }
};

TEST_F(Cuda, SlotsArePageLocked) { EXPECT_STREQ(locked().name(), "page-locked"); }

TEST_F(Cuda, InitialWeightsEqualTheCpus) {
  EXPECT_EQ(weights_of(*make(options_for("lenet", "cuda"))), weights_of(*make(options_for("lenet"))));
}

TEST_F(Cuda, AnEpochGivesTheCpusWeights) {
  for (const char* optimizer : {"sgd", "adam", "adamw"}) {
    auto options = options_for("lenet");
    options.optimizer = optimizer;
    const auto expected = trained(options, plain_slot_memory());
    options.device = "cuda";
    EXPECT_LT(distance(trained(options, locked()), expected), 1e-4) << optimizer;
  }
}

TEST_F(Cuda, PageableSlotsGiveTheSameWeightsAsPageLockedOnes) {
  EXPECT_LT(distance(trained(options_for("lenet", "cuda"), plain_slot_memory()), trained(options_for("lenet", "cuda"), locked())), 1e-5);
}

TEST_F(Cuda, U8RowsAreNormalisedOnTheDevice) {
  auto options = options_for("lenet");
  options.input.dtype = Dtype::u8;
  options.mean = {0.1307};
  options.std = {0.3081};
  MemoryStream stream(options.input, 8, 1, 1, locked());
  const auto expected = outputs_of(*make(options), stream.lend(0));
  options.device = "cuda";
  EXPECT_LT(distance(outputs_of(*make(options), stream.lend(0)), expected), 1e-4);
}

TEST_F(Cuda, EvaluationGivesTheCpusCounts) {
  MemoryStream stream(digits(), 50, 3, 1, locked());
  const auto expected = make(options_for("lenet"))->evaluate(stream, {});
  stream.rewind();
  const auto result = make(options_for("lenet", "cuda"))->evaluate(stream, {});
  EXPECT_EQ(result.class_correct, expected.class_correct);
  EXPECT_NEAR(result.loss, expected.loss, 1e-4 * expected.loss);
}

TEST_F(Cuda, ThePhasesComeFromEventsAndCloseTheBooks) {
  const auto trainer = make(options_for("lenet", "cuda"));
  MemoryStream stream(digits(), 256, 100, 1, locked());
  train_on(*trainer, stream); // First kernels are compiled and chosen here.
  stream.rewind();
  const auto result = train_on(*trainer, stream);
  EXPECT_GT(result.phases.forward, 0);
  EXPECT_GT(result.phases.backward, 0);
  EXPECT_LE(std::abs(result.unaccounted_seconds), 0.01 * result.wall_seconds);
}

TEST_F(Cuda, TimeSpentWaitingForABatchIsBookedAsWait) {
  const auto trainer = make(options_for("toy", "cuda"));
  MemoryStream stream(digits(), 8, 10, 1, locked());
  train_on(*trainer, stream);
  stream.rewind();
  // next() alone waits: with nothing to take ahead, every batch is waited for.
  class Slow final : public BatchStream {
   public:
    explicit Slow(MemoryStream& from) : from_(from) {}
    std::optional<Batch> next() override {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return from_.try_next();
    }
    std::optional<Batch> try_next() override { return std::nullopt; }

   private:
    MemoryStream& from_;
  } slow(stream);
  const auto result = train_on(*trainer, slow);
  EXPECT_GE(result.phases.wait, 0.04);
  EXPECT_LE(std::abs(result.unaccounted_seconds), 0.01 * result.wall_seconds);
}

TEST_F(Cuda, AStopLeavesNoSlotBehind) {
  const auto trainer = make(options_for("toy", "cuda"));
  MemoryStream stream(digits(), 8, 50, 1, locked());
  std::stop_source stop;
  int steps = 0;
  stream.on_next = [&](std::size_t) {
    if (++steps == 1) stop.request_stop();
  };
  const auto result = trainer->train_epoch(stream, stop.get_token(), {});
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(stream.home->home, static_cast<int>(result.steps));
}

TEST_F(Cuda, AGraphOfTheStepGivesTheEagerStepsWeights) {
  for (const char* model : {"lenet", "toy-norm"}) {
    for (const char* optimizer : {"sgd", "adam", "adamw"}) {
      auto options = options_for(model, "cuda");
      options.optimizer = optimizer;
      options.schedule = {.kind = train::ScheduleKind::cosine, .every_step = true, .epochs = 2, .steps_an_epoch = 12};
      options.clip_norm = 1;
      std::vector<std::vector<float>> weights;
      std::vector<double> losses;
      for (const bool graph : {false, true}) {
        options.graph_step = graph;
        const auto trainer = make(options);
        MemoryStream stream(options.input, 32, 12, 9, locked());
        losses.push_back(train_on(*trainer, stream).loss);
        MemoryStream unseen(options.input, 50, 2, 1, locked());
        trainer->evaluate(unseen, {}); // Eager, between replays.
        stream.rewind();
        losses.push_back(train_on(*trainer, stream).loss);
        weights.push_back(weights_of(*trainer));
      }
      EXPECT_LT(distance(weights[1], weights[0]), 1e-5) << model << ' ' << optimizer;
      EXPECT_NEAR(losses[2], losses[0], 1e-4 * losses[0]);
      EXPECT_NEAR(losses[3], losses[1], 1e-4 * losses[1]);
    }
  }
}

TEST_F(Cuda, AGraphDropsWhatTheEagerStepDrops) {
  auto options = options_for("wide_resnet", "cuda");
  options.widen = 1;
  options.dropout = 0.3;
  const auto eager = trained(options, locked());
  options.graph_step = true;
  EXPECT_LT(distance(trained(options, locked()), eager), 1e-4);
}

TEST_F(Cuda, StepBenchmarkRunsOnResidentBatches) {
  const auto trainer = make(options_for("lenet", "cuda"));
  MemoryStream stream(digits(), 64, 4, 1, locked());
  auto batches = stream.lend_all();
  const auto result = trainer->bench_step(batches, 0.2, {});
  EXPECT_GT(result.images_per_second, 0);
  EXPECT_NEAR(result.phases.sum(), result.seconds, 0.02 * result.seconds);
}

TEST(WithoutAGpu, AskingForOneIsADeviceErrorWithARemedy) {
  if (!millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "there is a GPU";
  std::string message;
  EXPECT_EQ(error_of([] { make(options_for("toy", "cuda")); }, &message), ErrorKind::device);
  EXPECT_THAT(message, ::testing::HasSubstr("device = \"cpu\""));
}

TEST(WithoutAGpu, AutoTakesTheCpu) {
  if (!millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "there is a GPU";
  EXPECT_EQ(make(options_for("toy", "auto"))->device(), "cpu (1 thread)");
}

TEST(WithoutAGpu, AGraphOfTheStepIsRefused) {
  if (!millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "there is a GPU";
  auto options = options_for("toy", "auto");
  options.graph_step = true;
  std::string message;
  EXPECT_EQ(error_of([&] { make(options); }, &message), ErrorKind::usage);
  EXPECT_EQ(message, "train.step = \"graph\" needs a GPU | use train.step = \"eager\" on the CPU");
}

}  // namespace
}  // namespace millrace::testing
