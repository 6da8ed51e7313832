#include <gtest/gtest.h>

#include "train/optimizer.h"

namespace millrace::train {
namespace {

/// A convolution of 1 x 1 with its channels last, whose strides can be written in several ways, a matrix and a vector.
struct Model {
  std::vector<at::Tensor> parameters{at::ones({4, 3, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast).set_requires_grad(true),
                                     at::ones({5, 2}).set_requires_grad(true), at::ones({7}).set_requires_grad(true)};
  FlatParameters flat{parameters, at::kCPU};

  bool gradient_is(std::size_t parameter, float value) const {
    return flat.view_of(flat.gradients(), parameter).eq(value).all().item<bool>();
  }
};

TEST(FlatGradients, AreWhatAutogradLeft) {
  Model model;
  for (int step = 1; step <= 3; ++step) {
    (model.parameters[0].sum() * step + model.parameters[1].sum() * 2 + model.parameters[2].sum()).backward();
    model.flat.take_gradients();
    EXPECT_TRUE(model.gradient_is(0, static_cast<float>(step)));
    EXPECT_TRUE(model.gradient_is(1, 2));
    EXPECT_TRUE(model.gradient_is(2, 1));
    for (const at::Tensor& parameter : model.parameters) EXPECT_FALSE(parameter.grad().defined()); // Or the next backward would add.
    model.flat.forget_gradients();
  }
}

TEST(FlatGradients, AddUpOverTheBackwardsOfAStep) {
  Model model;
  for (int step = 0; step < 2; ++step) {
    model.parameters[1].sum().backward();
    model.flat.take_gradients();
    (model.parameters[1].sum() * 3 + model.parameters[2].sum() * 5).backward(); // The last is new in the second backward.
    model.flat.take_gradients();
    EXPECT_TRUE(model.gradient_is(0, 0));
    EXPECT_TRUE(model.gradient_is(1, 4));
    EXPECT_TRUE(model.gradient_is(2, 5));
    model.flat.forget_gradients();
  }
}

TEST(FlatGradients, OfParametersThatNoBackwardTouchedAreZeros) {
  Model model;
  (model.parameters[0].sum() + model.parameters[1].sum() + model.parameters[2].sum()).backward();
  model.flat.take_gradients();
  model.flat.forget_gradients();
  model.parameters[2].sum().backward();
  model.flat.take_gradients();
  EXPECT_TRUE(model.gradient_is(0, 0));
  EXPECT_TRUE(model.gradient_is(1, 0));
  EXPECT_TRUE(model.gradient_is(2, 1));
}

TEST(FlatGradients, OfABackwardThatFailedAreForgotten) {
  Model model;
  model.parameters[2].sum().backward();
  model.flat.forget_gradients();
  (model.parameters[2].sum() * 2).backward();
  model.flat.take_gradients();
  EXPECT_TRUE(model.gradient_is(2, 2));
}

TEST(FlatGradients, LeaveTheGapsBetweenTensorsZero) {
  Model model;
  (model.parameters[0].sum() + model.parameters[1].sum() + model.parameters[2].sum()).backward();
  model.flat.take_gradients();
  EXPECT_EQ(model.flat.gradients().sum().item<float>(), 12 + 10 + 7);
}

}  // namespace
}  // namespace millrace::train
