#include <algorithm>
#include <cstring>
#include <map>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

constexpr int kSteps = 6;

struct Kind {
  const char* model;
  const char* optimizer;
  double momentum;
};

class State : public ::testing::TestWithParam<Kind> {
 protected:
  train::TrainOptions options() const {
    auto o = options_for(GetParam().model);
    o.optimizer = GetParam().optimizer;
    o.momentum = GetParam().momentum;
    o.weight_decay = 0.01;
    return o;
  }
};

/// Everything that a state says, in order.
std::vector<std::pair<std::string, std::string>> contents(const train::TrainerState& state) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto* list : {&state.weights, &state.optimizer, &state.own})
    for (const train::TensorView& t : *list) {
      std::string text(name_of(t.type));
      for (const auto side : t.shape) text += "," + std::to_string(side);
      out.emplace_back(t.name, text + ":" + std::string(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()));
    }
  return out;
}

TEST(StateOfMixedPrecision, StepsThatAnOverflowLeftOutStayUncounted) {
  auto options = options_for("lenet");
  options.optimizer = "adam";
  options.precision = train::Precision::fp16;
  options.global_batch = 16;
  options.input.dtype = Dtype::u8;
  options.mean = {0};
  options.std = {0.001}; // Values up to 1000: gradients that float16 does not hold at first.
  MemoryStream stream(options.input, 16, 8);
  const auto unbroken = make(options);
  train_on(*unbroken, stream);
  train::TrainerState expected, state;
  unbroken->save(expected);
  const auto* scale = std::find_if(expected.optimizer.data(), expected.optimizer.data() + expected.optimizer.size(), [](const auto& t) { return t.name == "loss_scale"; });
  float value = 0;
  std::memcpy(&value, scale->bytes.data(), sizeof value);
  ASSERT_LT(value, 65536) << "no step was left out";
  stream.rewind();
  const auto first = make(options), second = make(options);
  first->train_epoch(stream, {}, {}, 4);
  first->save(state);
  second->load(state);
  train_on(*second, stream);
  train::TrainerState ended;
  second->save(ended);
  EXPECT_EQ(contents(ended), contents(expected));
}

TEST_P(State, ResumedAtEachStepARunEndsInTheSameBits) {
  MemoryStream stream(digits(), 16, kSteps);
  const auto unbroken = make(options());
  const auto whole = train_on(*unbroken, stream);
  train::TrainerState expected;
  unbroken->save(expected);
  for (std::uint64_t at = 0; at <= kSteps; ++at) {
    stream.rewind();
    const auto first = make(options());
    const auto before = at ? first->train_epoch(stream, {}, {}, at) : train::EpochResult{};
    train::TrainerState state;
    first->save(state);
    auto other = options();
    other.seed = 77; // Its own initial weights must not matter.
    const auto second = make(other);
    second->load(state);
    const auto after = at < kSteps ? train_on(*second, stream) : train::EpochResult{};
    train::TrainerState ended;
    second->save(ended);
    ASSERT_EQ(contents(ended), contents(expected)) << "resumed at step " << at;
    EXPECT_EQ(before.loss_sum + after.loss_sum, whole.loss_sum);
    EXPECT_EQ(before.digest + after.digest, whole.digest);
  }
}

TEST_P(State, AStateIsACopyThatLaterStepsDoNotTouch) {
  MemoryStream stream(digits(), 16, kSteps);
  const auto trainer = make(options());
  trainer->train_epoch(stream, {}, {}, 2);
  train::TrainerState state;
  trainer->save(state);
  const auto then = contents(state);
  train_on(*trainer, stream);
  EXPECT_EQ(contents(state), then);
  trainer->save(state);
  EXPECT_NE(contents(state), then);
}

INSTANTIATE_TEST_SUITE_P(Optimisers, State,
                         ::testing::Values(Kind{"toy", "sgd", 0}, Kind{"toy", "sgd", 0.9}, Kind{"toy", "adam", 0}, Kind{"lenet", "sgd", 0.9},
                                           Kind{"lenet", "adamw", 0}),
                         [](const auto& kind) {
                           return std::string(kind.param.model) + "_" + kind.param.optimizer + (kind.param.momentum > 0 ? "_momentum" : "");
                         });

TEST(TrainerState, NamesAreTorchs) {
  auto options = options_for("lenet");
  options.optimizer = "adam";
  train::TrainerState state;
  make(options)->save(state);
  std::vector<std::string> names;
  for (const auto& t : state.weights) names.push_back(t.name);
  EXPECT_EQ(names, (std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias", "fc2.weight",
                                             "fc2.bias", "fc3.weight", "fc3.bias"}));
  EXPECT_EQ(state.weights[0].shape, (std::vector<std::uint64_t>{6, 1, 5, 5}));
  ASSERT_EQ(state.optimizer.size(), 21u);
  EXPECT_EQ(state.optimizer[0].name, "conv1.weight.exp_avg");
  EXPECT_EQ(state.optimizer[10].name, "conv1.weight.exp_avg_sq");
  EXPECT_EQ(state.optimizer[20].name, "step");
}

TEST(TrainerState, OfAnotherModelOrOptimiserIsRefusedByNameAndChangesNothing) {
  const auto lenet = make(options_for("lenet"));
  auto wide = options_for("lenet");
  wide.padding = 2;
  auto adam = options_for("lenet");
  adam.optimizer = "adam";
  const auto before = weights_of(*lenet);
  const auto complaint = [&](const train::TrainOptions& of) {
    train::TrainerState state;
    make(of)->save(state);
    std::string message;
    EXPECT_EQ(error_of([&] { lenet->load(state); }, &message), ErrorKind::data);
    return message;
  };
  EXPECT_NE(complaint(options_for("toy")).find("tensor conv1.weight is missing"), std::string::npos);
  EXPECT_NE(complaint(wide).find("tensor fc1.weight is F32 [120, 400], but F32 [120, 256] here"), std::string::npos);
  EXPECT_NE(complaint(adam).find("tensor conv1.weight.momentum_buffer is missing"), std::string::npos);
  train::TrainerState state;
  make(options_for("lenet"))->save(state);
  state.weights.push_back(state.weights[0]);
  state.weights.back().name = "fc4.weight";
  std::string message;
  EXPECT_EQ(error_of([&] { lenet->load(state); }, &message), ErrorKind::data);
  EXPECT_NE(message.find("tensor fc4.weight is unknown here"), std::string::npos);
  EXPECT_EQ(weights_of(*lenet), before);
}

TEST(TrainerState, TheSleepModelHasNone) {
  train::TrainerState state;
  const auto sleeper = make(options_for("sleep"));
  sleeper->save(state);
  EXPECT_TRUE(contents(state).empty());
  sleeper->load(state);
  make(options_for("toy"))->save(state);
  EXPECT_EQ(error_of([&] { sleeper->load(state); }), ErrorKind::data);
}

}  // namespace
}  // namespace millrace::testing
