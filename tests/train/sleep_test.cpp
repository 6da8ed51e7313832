#include <time.h>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

train::TrainOptions sleeping(double microseconds) {
  auto options = options_for("sleep");
  options.step_microseconds = microseconds;
  return options;
}

TEST(SleepModel, AnEpochTakesAtLeastItsStepsAndBooksThemAsForward) {
  const auto trainer = make(sleeping(2000));
  MemoryStream stream(digits(), 4, 10);
  double least = 1;
  for (int epoch = 0; epoch < 3 && least > 0.01; ++epoch) {
    stream.rewind();
    const auto result = train_on(*trainer, stream);
    EXPECT_GE(result.wall_seconds, 0.02);
    EXPECT_GE(result.phases.forward, 0.02);
    least = std::min(least, unbooked(result));
  }
  EXPECT_LE(least, 0.01);
}

TEST(SleepModel, ALongStepSleepsRatherThanSpins) {
  const auto trainer = make(sleeping(20'000));
  MemoryStream stream(digits(), 4, 5);
  timespec before{}, after{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  train_on(*trainer, stream);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  const double used = static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(used, 0.02); // Of 0.1 s.
}

TEST(SleepModel, ReturnsEachBatchAndDigestsItLikeAnyTrainer) {
  MemoryStream a(digits(), 4, 3), b(digits(), 4, 3);
  EXPECT_EQ(train_on(*make(sleeping(10)), a).digest, train_on(*make(options_for("toy")), b).digest);
  EXPECT_EQ(a.home->home, 3);
}

TEST(SleepModel, HasNoWeights) {
  const auto trainer = make(sleeping(10));
  EXPECT_EQ(trainer->parameters(), 0u);
  EXPECT_TRUE(weights_of(*trainer).empty());
}

TEST(SleepModel, AStepOutOfRangeIsAUsageError) {
  EXPECT_EQ(error_of([] { make(sleeping(-1)); }), ErrorKind::usage);
  EXPECT_EQ(error_of([] { make(sleeping(NAN)); }), ErrorKind::usage);
}

}  // namespace
}  // namespace millrace::testing
