#pragma once
#include <gmock/gmock.h>

#include "tests/cuda_double/client.h"
#include "tests/train/trainer_fixture.h"

namespace millrace::testing {

/// What needs a GPU, a real one or the CUDA double. Skips visibly where there is neither.
class Cuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (millrace_train_api()->versions().gpu.empty()) GTEST_SKIP() << "no GPU";
  }
  void TearDown() override { EXPECT_EQ(double_findings(), found_before_) << "the CUDA double found something: see stderr"; }
  static SlotMemory& locked() { return millrace_train_api()->page_locked_memory(); }

 private:
  const std::uint64_t found_before_ = double_findings();
};

/// What compares numbers. Skips visibly on the double.
class CudaNumbers : public Cuda {
 protected:
  void SetUp() override {
    Cuda::SetUp();
    if (on_cuda_double()) GTEST_SKIP() << "needs a GPU that computes: the CUDA double does not";
  }
  /// Weights after an epoch; 1e-4 apart between devices, since sums are taken in other orders (and TF32 is off by default).
  static std::vector<float> trained(const train::TrainOptions& options, SlotMemory& memory) {
    const auto trainer = make(options);
    MemoryStream stream(options.input, 32, 12, 9, memory);
    EXPECT_EQ(train_on(*trainer, stream).steps, 12u);
    EXPECT_EQ(stream.home->home, 12);
    return weights_of(*trainer);
  }
};

}  // namespace millrace::testing
