#include <algorithm>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

train::TrainOptions small_wide_resnet(double dropout) {
  train::TrainOptions options = options_for("wide_resnet");
  options.widen = 1;
  options.dropout = dropout;
  options.input = {1, 8, 8, Dtype::f32, Layout::nchw};
  return options;
}

std::vector<float> trained(const train::TrainOptions& options) {
  const auto trainer = make(options);
  MemoryStream stream(options.input, 4, 3);
  train_on(*trainer, stream);
  return weights_of(*trainer);
}

TEST(Models, DropoutRepeatsAndIsOffInEvaluation) {
  EXPECT_EQ(trained(small_wide_resnet(0.3)), trained(small_wide_resnet(0.3)));
  EXPECT_NE(trained(small_wide_resnet(0.3)), trained(small_wide_resnet(0)));
  const auto with = make(small_wide_resnet(0.3)), without = make(small_wide_resnet(0));
  MemoryStream stream(small_wide_resnet(0).input, 4, 1);
  EXPECT_EQ(outputs_of(*with, stream.lend(0)), outputs_of(*without, stream.lend(0)));
}

/// Four steps at once, and two by one trainer and two by another that loads its state, end in the same weights.
void expect_resumes_to_the_bit(const train::TrainOptions& options, int rows) {
  const auto whole = make(options), first = make(options), second = make(options);
  MemoryStream stream(options.input, rows, 4);
  train_on(*whole, stream);
  stream.rewind();
  first->train_epoch(stream, {}, {}, 2);
  train::TrainerState state;
  first->save(state);
  second->load(state);
  second->train_epoch(stream, {}, {}, 2);
  EXPECT_EQ(weights_of(*second), weights_of(*whole));
}

TEST(Models, ResumedDropoutGoesOnWhereItWas) {
  expect_resumes_to_the_bit(small_wide_resnet(0.3), 4);
}

TEST(Models, NovoGradResumesToTheBit) {
  train::TrainOptions options = options_for("toy");
  options.optimizer = "novograd";
  options.beta1 = 0.95;
  options.beta2 = 0.5;
  expect_resumes_to_the_bit(options, 8);
}

/// Files name channels first, whatever the order in memory.
TEST(Models, StatesAreTheSameInEitherLayout) {
  train::TrainOptions options = options_for("resnet18");
  options.input = {3, 32, 32, Dtype::f32, Layout::nchw};
  train::TrainerState states[2];
  for (const train::MemoryOrder layout : {train::MemoryOrder::nchw, train::MemoryOrder::nhwc}) {
    options.layout = layout;
    make(options)->save(states[layout == train::MemoryOrder::nhwc]);
  }
  ASSERT_EQ(states[0].weights.size(), states[1].weights.size());
  for (std::size_t i = 0; i < states[0].weights.size(); ++i) {
    const auto &a = states[0].weights[i], &b = states[1].weights[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_TRUE(std::ranges::equal(a.bytes, b.bytes)) << a.name;
  }
  options.layout = train::MemoryOrder::nhwc;
  const auto loaded = make(options);
  const std::vector<float> weights = weights_of(*loaded);
  loaded->load(states[0]);
  EXPECT_EQ(weights_of(*loaded), weights);
}

TEST(Models, RefuseWhatLeavesNothing) {
  train::TrainOptions small = small_wide_resnet(0);
  small.input.height = 3;
  EXPECT_EQ(error_of([&] { make(small); }), ErrorKind::usage);
  train::TrainOptions wide = small_wide_resnet(0);
  wide.widen = 0;
  EXPECT_EQ(error_of([&] { make(wide); }), ErrorKind::usage);
}

}  // namespace
}  // namespace millrace::testing
