#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

using ::testing::HasSubstr;

TEST(Trainer, HasTheParametersThatTheStudiesName) {
  auto options = options_for("lenet");
  EXPECT_EQ(make(options)->parameters(), 44'426u);
  options.padding = 2;
  EXPECT_EQ(make(options)->parameters(), 61'706u);
  EXPECT_EQ(make(options_for("toy"))->parameters(), 7'960u);
}

TEST(Trainer, EqualSeedsGiveEqualWeightsAfterAnEpoch) {
  const auto trained = [](std::uint64_t seed) {
    auto options = options_for("lenet");
    options.seed = seed;
    const auto trainer = make(options);
    MemoryStream stream(digits(), 16, 6);
    train_on(*trainer, stream);
    return weights_of(*trainer);
  };
  EXPECT_EQ(trained(3), trained(3));
  EXPECT_NE(trained(3), trained(4));
}

TEST(Trainer, StopsAtTheEndOfEpochMarkAndSaysSo) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 5);
  const auto result = train_on(*trainer, stream);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.steps, 5u);
  EXPECT_EQ(result.images, 40u);
  EXPECT_EQ(stream.home->home, 5);
}

TEST(Trainer, MaxStepsEndsAnEpochEarlyAndTakesNoBatchBeyond) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 5);
  const auto result = trainer->train_epoch(stream, {}, {}, 2);
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.steps, 2u);
  EXPECT_EQ(stream.home->home, 2);
}

TEST(Trainer, AStopRequestEndsTheEpochWithinOneStep) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 50);
  std::stop_source stop;
  stream.on_next = [&](std::size_t index) {
    if (index == 3) stop.request_stop();
  };
  const auto result = trainer->train_epoch(stream, stop.get_token(), {});
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.steps, 4u);
}

TEST(Trainer, AStreamThatEndsWithoutAMarkIsAnIncompleteEpoch) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 3);
  stream.slots.back()->slot.end_of_epoch = false;
  EXPECT_FALSE(train_on(*trainer, stream).complete);
}

TEST(Trainer, ABatchWithoutValidRowsChangesNothing) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 1);
  stream.slots[0]->slot.valid_rows = 0;
  const auto before = weights_of(*trainer);
  const auto result = train_on(*trainer, stream);
  EXPECT_EQ(result.images, 0u);
  EXPECT_EQ(result.loss, 0);
  EXPECT_EQ(weights_of(*trainer), before);
  EXPECT_EQ(stream.home->home, 1);
}

TEST(Trainer, ThePhasesCloseTheBooksOfAnEpoch) {
  const auto trainer = make(options_for("lenet"));
  MemoryStream stream(digits(), 32, 20);
  double least = 1;
  for (int epoch = 0; epoch < 3 && least > 0.01; ++epoch) {
    stream.rewind();
    const auto result = train_on(*trainer, stream);
    EXPECT_GT(result.phases.forward, 0);
    EXPECT_GT(result.phases.backward, 0);
    EXPECT_GT(result.phases.optimizer, 0);
    EXPECT_EQ(result.phases.reduce, 0);
    EXPECT_NEAR(result.phases.sum() + result.unaccounted_seconds, result.wall_seconds, 1e-9);
    least = std::min(least, unbooked(result));
  }
  EXPECT_LE(least, 0.01);
}

TEST(Trainer, TimeSpentWaitingForABatchIsBookedAsWait) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 4);
  stream.on_next = [](std::size_t) { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
  EXPECT_GE(train_on(*trainer, stream).phases.wait, 0.02);
}

TEST(Trainer, TheDigestIsThatOfTheBatchesTrainedOn) {
  MemoryStream stream(digits(), 8, 4);
  Digest expected(Digest::Of::ids);
  for (const Batch& batch : stream.lend_all()) expected.add(batch);
  EXPECT_EQ(train_on(*make(options_for("toy")), stream).digest, expected.value());
}

TEST(Trainer, TheWeightsNormIsThatOfTheWeights) {
  const auto trainer = make(options_for("lenet"));
  MemoryStream stream(digits(), 8, 2);
  const double norm = train_on(*trainer, stream).weights_norm;
  double sum = 0;
  for (const float w : weights_of(*trainer)) sum += static_cast<double>(w) * w;
  EXPECT_NEAR(norm, std::sqrt(sum), 1e-9 * norm);
}

TEST(Trainer, EvaluationScoresEachRowOnceAndChangesNoWeights) {
  const auto trainer = make(options_for("lenet"));
  MemoryStream stream(digits(), 30, 4);
  stream.slots.back()->slot.valid_rows = 11;
  const auto before = weights_of(*trainer);
  const auto result = trainer->evaluate(stream, {});
  EXPECT_EQ(result.scored, 101u);
  std::uint64_t counted = 0, correct = 0;
  for (std::size_t c = 0; c < 10; ++c) {
    counted += result.class_count[c];
    correct += result.class_correct[c];
    EXPECT_LE(result.class_correct[c], result.class_count[c]);
  }
  EXPECT_EQ(counted, 101u);
  EXPECT_EQ(correct, result.correct);
  EXPECT_EQ(weights_of(*trainer), before);
}

TEST(Trainer, EvaluationCountsTheRowsWhoseLargestOutputIsTheLabel) {
  const auto trainer = make(options_for("lenet"));
  MemoryStream stream(digits(), 40, 1);
  const auto outputs = outputs_of(*trainer, stream.lend(0));
  std::uint64_t correct = 0;
  for (std::size_t r = 0; r < 40; ++r) {
    const auto row = outputs.begin() + static_cast<std::ptrdiff_t>(10 * r);
    correct += std::max_element(row, row + 10) - row == stream.slots[0]->labels[r];
  }
  EXPECT_EQ(trainer->evaluate(stream, {}).correct, correct);
}

TEST(Trainer, LearnsARuleThatPicturesCarry) {
  auto options = options_for("lenet");
  options.optimizer = "adam";
  options.lr = 2e-3;
  const auto trainer = make(options);
  MemoryStream stream(digits(), 32, 30);
  for (const auto& made : stream.slots) // A bright bar whose row is the label.
    for (std::size_t r = 0; r < 32; ++r)
      std::fill_n(reinterpret_cast<float*>(made->slot.images) + r * 784 + static_cast<std::size_t>(made->labels[r]) * 2 * 28 + 84, 28, 4.0f);
  const double first = train_on(*trainer, stream).loss;
  for (int epoch = 0; epoch < 3; ++epoch) stream.rewind(), train_on(*trainer, stream);
  stream.rewind();
  const auto result = trainer->evaluate(stream, {});
  EXPECT_GT(result.accuracy, 0.95);
  EXPECT_LT(result.loss, first / 4);
}

TEST(Trainer, ProgressReportsTheMeanLossSoFar) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 4);
  stream.on_next = [](std::size_t) { std::this_thread::sleep_for(std::chrono::milliseconds(60)); };
  std::vector<train::Progress> seen;
  const auto began = std::chrono::steady_clock::now();
  trainer->train_epoch(stream, {}, [&](const train::Progress& p) { seen.push_back(p); });
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  // At least once in the 0.24 s that the batches take; at most once in 0.1 s, however long they take.
  ASSERT_GE(seen.size(), 1u);
  EXPECT_LE(static_cast<double>(seen.size()), took / 0.1);
  std::uint64_t before = 0;
  for (const train::Progress& p : seen) {
    EXPECT_GT(p.images, before);
    EXPECT_EQ(p.images % 8, 0u);
    EXPECT_LE(p.images, 32u);
    EXPECT_NEAR(p.mean_loss, std::log(10.0), 0.7);
    before = p.images;
  }
}

TEST(Trainer, U8RowsEqualTheSameRowsNormalisedBeforehand) {
  auto options = options_for("lenet");
  MemoryStream bytes(digits(Dtype::u8), 8, 1), floats(digits(), 8, 1);
  for (std::size_t i = 0; i < 8 * 784; ++i)
    reinterpret_cast<float*>(floats.slots[0]->slot.images)[i] = (static_cast<float>(bytes.slots[0]->slot.images[i]) / 255 - 0.1307f) / 0.3081f;
  const auto expected = outputs_of(*make(options), floats.lend(0));
  options.input.dtype = Dtype::u8;
  options.mean = {0.1307};
  options.std = {0.3081};
  EXPECT_EQ(outputs_of(*make(options), bytes.lend(0)), expected);
}

TEST(Trainer, ChannelsLastRowsGiveTheSameOutputsAndGradientsAsPlanes) {
  // Odd sizes, so that pooling leaves rows and columns over; planes take relu_pool2x2's own kernel, channels last ATen's.
  constexpr int kHeight = 21, kWidth = 25, kPixels = kHeight * kWidth;
  const RowFormat planes{3, kHeight, kWidth, Dtype::f32, Layout::nchw}, interleaved{3, kHeight, kWidth, Dtype::f32, Layout::nhwc};
  MemoryStream a(planes, 4, 1), b(interleaved, 4, 1);
  const auto* from = reinterpret_cast<const float*>(a.slots[0]->slot.images);
  auto* to = reinterpret_cast<float*>(b.slots[0]->slot.images);
  for (int n = 0; n < 4; ++n)
    for (int c = 0; c < 3; ++c)
      for (int p = 0; p < kPixels; ++p) to[(n * kPixels + p) * 3 + c] = from[(n * 3 + c) * kPixels + p];
  b.slots[0]->labels = a.slots[0]->labels;
  auto options = options_for("lenet");
  options.input = planes;
  const auto with_planes = make(options);
  options.input = interleaved;
  const auto with_channels_last = make(options);
  EXPECT_LT(distance(outputs_of(*with_channels_last, b.lend(0)), outputs_of(*with_planes, a.lend(0))), 1e-5);
  EXPECT_LT(distance(gradients_of(*with_channels_last, b.lend(0)), gradients_of(*with_planes, a.lend(0))), 1e-5);
}

TEST(Trainer, Bf16StaysNearFp32AndStillLearns) {
  auto options = options_for("lenet");
  MemoryStream stream(digits(), 32, 3);
  const double exact = train_on(*make(options), stream).loss;
  options.precision = train::Precision::bf16;
  stream.rewind();
  const double rounded = train_on(*make(options), stream).loss;
  EXPECT_NE(rounded, exact);
  EXPECT_NEAR(rounded, exact, 0.02 * exact);
}

TEST(Trainer, StepBenchmarkUsesTheResidentBatchesAndKeepsThem) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 16, 3);
  auto batches = stream.lend_all();
  const auto result = trainer->bench_step(batches, 0.05, {});
  EXPECT_GE(result.steps, 1u);
  EXPECT_NEAR(result.images_per_second * result.seconds, static_cast<double>(result.steps) * 16, 1e-6 * static_cast<double>(result.steps) * 16);
  EXPECT_GT(result.phases.backward, 0);
  EXPECT_EQ(stream.home->home, 0);
}

TEST(Trainer, ALabelOutsideTheClassesIsNamedWithItsSample) {
  MemoryStream stream(digits(), 8, 1);
  stream.slots[0]->labels[6] = 10;
  std::string message;
  EXPECT_EQ(error_of([&] { train_on(*make(options_for("toy")), stream); }, &message), ErrorKind::data);
  EXPECT_THAT(message, HasSubstr("sample 6 has label 10"));
  EXPECT_EQ(stream.home->home, 1);
}

TEST(Trainer, WrongOptionsAreUsageErrorsThatNameTheKey) {
  const auto message_for = [](const std::function<void(train::TrainOptions&)>& spoil) {
    auto options = options_for("lenet");
    spoil(options);
    std::string message;
    EXPECT_EQ(error_of([&] { make(options); }, &message), ErrorKind::usage) << message;
    return message;
  };
  EXPECT_THAT(message_for([](auto& o) { o.model = "lennet"; }), HasSubstr("train.model: unknown model 'lennet' | known models: sleep, toy, toy-norm, lenet"));
  EXPECT_THAT(message_for([](auto& o) { o.optimizer = "sdg"; }), HasSubstr("train.optimizer"));
  EXPECT_THAT(message_for([](auto& o) { o.device = "gpu"; }), HasSubstr("train.device"));
  EXPECT_THAT(message_for([](auto& o) { o.lr = -1; }), HasSubstr("train.lr"));
  EXPECT_THAT(message_for([](auto& o) { o.lr = NAN; }), HasSubstr("train.lr"));
  EXPECT_THAT(message_for([](auto& o) { o.momentum = 1; }), HasSubstr("train.momentum"));
  EXPECT_THAT(message_for([](auto& o) { o.nesterov = true, o.momentum = 0; }), HasSubstr("train.nesterov"));
  EXPECT_THAT(message_for([](auto& o) { o.input.height = 12; }), HasSubstr("leave nothing"));
  EXPECT_THAT(message_for([](auto& o) { o.padding = -1; }), HasSubstr("lenet"));
  EXPECT_THAT(message_for([](auto& o) { o.mean = {0.5, 0.5}; }), HasSubstr("one value a channel"));
  EXPECT_THAT(message_for([](auto& o) { o.classes = 0; }), HasSubstr("classes"));
}

TEST(Trainer, AStreamsErrorPassesThroughUnchanged) {
  const auto trainer = make(options_for("toy"));
  MemoryStream stream(digits(), 8, 5);
  stream.on_next = [](std::size_t index) {
    if (index == 2) throw Error(ErrorKind::data, "broken picture");
  };
  std::string message;
  EXPECT_EQ(error_of([&] { train_on(*trainer, stream); }, &message), ErrorKind::data);
  EXPECT_THAT(message, HasSubstr("broken picture"));
  EXPECT_EQ(stream.home->home, 2);
}

}  // namespace
}  // namespace millrace::testing
