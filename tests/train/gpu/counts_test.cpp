#include <cstdio>

#include "tests/train/gpu/gpu_fixture.h"

// What a step costs in launches and in waits of the host, counted by the double: these numbers may not grow. cuBLAS's and cuDNN's kernels are not in them.
namespace millrace::testing {
namespace {

class StepCosts : public Cuda {
 protected:
  void SetUp() override {
    Cuda::SetUp();
    if (!on_cuda_double()) GTEST_SKIP() << "counted on the CUDA double alone";
  }
  /// Of one step: the difference between epochs of 30 and of 10, where everything else is the same.
  static double of_a_step(const train::TrainOptions& options, const char* what) {
    const auto trainer = make(options);
    MemoryStream shorter(options.input, 4, 10, 1, locked()), longer(options.input, 4, 30, 1, locked());
    train_on(*trainer, shorter); // Settles what happens once.
    shorter.rewind();
    double counted[2] = {};
    for (int i = 0; i < 2; ++i) {
      const double before = static_cast<double>(double_counted(what));
      train_on(*trainer, i == 0 ? shorter : longer);
      counted[i] = static_cast<double>(double_counted(what)) - before;
    }
    const double each = (counted[1] - counted[0]) / 20;
    std::printf("%-18s %-10s %s%.2f a step\n", what, options.model.c_str(), options.graph_step ? "graph " : "", each);
    return each;
  }
};

TEST_F(StepCosts, KernelsOfAnEagerStepDoNotGrow) {
  EXPECT_LE(of_a_step(options_for("lenet", "cuda"), "kernels"), 32);
  EXPECT_LE(of_a_step(options_for("resnet18", "cuda"), "kernels"), 90);
  EXPECT_LE(of_a_step(options_for("mobilenetv3_small", "cuda"), "kernels"), 280);
}

TEST_F(StepCosts, AGraphIsOneLaunch) {
  auto options = options_for("lenet", "cuda");
  options.graph_step = true;
  EXPECT_EQ(of_a_step(options, "cudaGraphLaunch"), 1);
  EXPECT_EQ(of_a_step(options, "kernels"), 0);
}

TEST_F(StepCosts, TheHostWaitsForNoStepOfOneRank) {
  for (const char* model : {"lenet", "resnet18"}) {
    EXPECT_EQ(of_a_step(options_for(model, "cuda"), "host_syncs"), 0);
    EXPECT_EQ(of_a_step(options_for(model, "cuda"), "cudaMalloc"), 0);
    EXPECT_EQ(of_a_step(options_for(model, "cuda"), "cudaHostAlloc"), 0);
  }
}

}  // namespace
}  // namespace millrace::testing
