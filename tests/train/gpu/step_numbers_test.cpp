#include <dlfcn.h>
#include <gmock/gmock.h>

#include "tests/ddp/ranks_fixture.h"
#include "train/device.h"
#include "train/erasing.h"

// What one step computes on a GPU, beside the CPU. Needs a real one.
namespace millrace::testing {
namespace {

class StepNumbers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "no GPU";
    if (dlsym(RTLD_DEFAULT, "cuda_double_counted")) GTEST_SKIP() << "needs a GPU that computes: the CUDA double does not";
  }
  static SlotMemory& locked() { return millrace_train_api()->page_locked_memory(); }
};

TEST_F(StepNumbers, U8RowsGetTheBitsOfDivisions) {
  auto options = options_for("lenet");
  options.mean = {0.485}, options.std = {0.229};
  const at::Tensor levels = at::arange(256).to(at::kByte).view({1, 1, 16, 16});
  const at::Tensor there = train::Normaliser(options, at::kCUDA)(levels.to(at::kCUDA)).cpu();
  EXPECT_TRUE(there.equal(train::Normaliser(options, at::kCPU)(levels)));
}

TEST_F(StepNumbers, WhatIsErasedOfU8RowsIsWhatTheCpuErases) {
  const at::Tensor images = at::ones({2, 3, 8, 8}), values = at::linspace(-1, 1, 3 + 12);
  const std::vector<Erasures::Box> boxes{{0, {1, 2, 3, 4}, 0, 0}, {1, {0, 0, 4, 4}, 0, 3}, {1, {2, 2, 2, 2}, 3, 12}};
  const at::Tensor there = images.to(at::kCUDA);
  train::erase_boxes(there, boxes, values.to(at::kCUDA));
  train::erase_boxes(images, boxes, values);
  EXPECT_TRUE(there.cpu().equal(images));
}

TEST_F(StepNumbers, SyncBatchNormOfTwoRanksThatShareAGpuIsTheCpus) {
  Training training{.samples = 6 * 32 + 3, .batch = 32, .epochs = 2, .options = Training::u8_options("toy-norm")};
  training.options.norm = train::Norm::syncbn;
  const auto expected = training.run();
  training.options.device = "cuda:0";
  training.ranks = 2;
  const auto outcomes = training.run();
  ASSERT_EQ(outcomes[0].thrown, "");
  EXPECT_LT(distance(outcomes[0].weights, expected[0].weights), 1e-4);
  training.bad = [](std::uint64_t) { return true; }; // Nobody has a row: nobody's statistics change.
  EXPECT_EQ(training.run()[0].thrown, "");
}

TEST_F(StepNumbers, AResumedDeterministicRunGivesTheSameBits) {
  auto options = options_for("lenet", "cuda");
  options.deterministic = true;
  const auto through = make(options), first = make(options), second = make(options);
  MemoryStream whole(options.input, 32, 12, 9, locked());
  train_on(*through, whole);
  MemoryStream parts(options.input, 32, 12, 9, locked());
  first->train_epoch(parts, {}, {}, 6);
  train::TrainerState state;
  first->save(state);
  second->load(state);
  train_on(*second, parts);
  EXPECT_EQ(weights_of(*second), weights_of(*through));
}

}  // namespace
}  // namespace millrace::testing
