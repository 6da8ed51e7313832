#include <thread>

#include "tests/train/gpu/gpu_fixture.h"

// What a GPU, or its double, does apart from numbers: page-locked slots, books, stops.
namespace millrace::testing {
namespace {

TEST_F(Cuda, SlotsArePageLocked) { EXPECT_STREQ(locked().name(), "page-locked"); }

TEST_F(Cuda, InitialWeightsEqualTheCpus) {
  EXPECT_EQ(weights_of(*make(options_for("lenet", "cuda"))), weights_of(*make(options_for("lenet"))));
}

/// What may be left out of the books. Nothing is asked of the double, whose device is made of threads: a busy machine lets them wait.
double most_unbooked() { return on_cuda_double() ? INFINITY : 0.01; }

TEST_F(Cuda, ThePhasesComeFromEventsAndCloseTheBooks) {
  const auto trainer = make(options_for("lenet", "cuda"));
  MemoryStream stream(digits(), 256, 100, 1, locked());
  train_on(*trainer, stream); // First kernels are compiled and chosen here.
  double least = INFINITY;
  for (int epoch = 0; epoch < 3; ++epoch) {
    stream.rewind();
    const auto result = train_on(*trainer, stream);
    EXPECT_GT(result.phases.forward, 0);
    EXPECT_GT(result.phases.backward, 0);
    least = std::min(least, unbooked(result));
  }
  EXPECT_LE(least, most_unbooked());
}

TEST_F(Cuda, TimeSpentWaitingForABatchIsBookedAsWait) {
  const auto trainer = make(options_for("toy", "cuda"));
  MemoryStream stream(digits(), 8, 10, 1, locked());
  train_on(*trainer, stream);
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
  double least = INFINITY;
  for (int epoch = 0; epoch < 3; ++epoch) {
    stream.rewind();
    const auto result = train_on(*trainer, slow);
    EXPECT_GE(result.phases.wait, 0.04);
    least = std::min(least, unbooked(result));
  }
  EXPECT_LE(least, most_unbooked());
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

TEST_F(Cuda, StepBenchmarkRunsOnResidentBatches) {
  const auto trainer = make(options_for("lenet", "cuda"));
  MemoryStream stream(digits(), 64, 4, 1, locked());
  auto batches = stream.lend_all();
  const auto result = trainer->bench_step(batches, 0.2, {});
  EXPECT_GT(result.images_per_second, 0);
  EXPECT_LE(std::abs(result.phases.sum() - result.seconds) / result.seconds, 2 * most_unbooked());
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
