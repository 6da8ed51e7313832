#include "tests/cuda_double/program_fixture.h"

// One process with one GPU or more: every command, every way that a run may go.
namespace millrace {
namespace {

using testing::HasSubstr;

TEST_F(OnTheDouble, EachModelTrainsAndIsScored) {
  gpus(1, "0");
  for (const char* model : {"toy", "toy-norm", "lenet", "resnet18", "wide_resnet", "mobilenetv3_small"}) {
    SCOPED_TRACE(model);
    const Json epoch = trains(on_gpu("", "", model), {"--set", "train.widen=1", "--set", "train.step=graph", "--set", "train.precision=bf16"});
    EXPECT_EQ(epoch["images"], 100);
    EXPECT_EQ(epoch["loader"]["memory"], "page-locked");
  }
  EXPECT_GT(report().counted("cudaGraphLaunch"), 0u);
}

TEST_F(OnTheDouble, ARunGoesOnFromItsCheckpoint) {
  gpus(1, "0");
  const std::string path = on_gpu("epochs = 2\ncheckpoint_every_steps = 3\noptimizer = \"adamw\"\nprecision = \"fp16\"\n");
  trains(path);
  EXPECT_EQ(run({"train", path, "--out", out(), "--set", "train.epochs=3", "--resume", "auto"}), 0) << text("stderr");
  EXPECT_EQ(read_records(out(), true).back()["outcome"], "complete");
}

TEST_F(OnTheDouble, ItsCommandsMeasure) {
  gpus(1, "0");
  for (const char* precision : {"fp32", "bf16"}) {
    const std::string path = on_gpu(std::string("precision = \"") + precision + "\"\n", "dtype = \"u8\"\n", "lenet");
    EXPECT_EQ(run({"bench", "step", path, "--seconds", "0.2"}), 0) << text("stderr");
  }
  EXPECT_EQ(run({"profile", on_gpu("", "", "lenet"), "--seconds", "2", "--json"}), 0) << text("stderr");
  EXPECT_EQ(run({"tune", on_gpu("", "", "lenet"), "--seconds", "2", "--json"}), 0) << text("stderr");
}

TEST_F(OnTheDouble, AStudyRunsItsGrid) {
  gpus(2, "0,1");
  const std::string path = on_gpu("");
  std::ofstream(path, std::ios::app) << "[study]\naxes = { \"train.step\" = [\"eager\", \"graph\"], \"data.dtype\" = [\"f32\", \"u8\"] }\n";
  EXPECT_EQ(run({"study", path, "--out", out()}), 0) << text("stderr");
}

TEST_F(OnTheDouble, ReplicasShareEachBatch) {
  for (const int replicas : {2, 4}) {
    gpus(replicas, replicas == 2 ? "0,1" : "0,1,2,3");
    EXPECT_EQ(trains(on_gpu("mode = \"dp\"\nranks = " + std::to_string(replicas) + "\n"))["images"], 100);
  }
}

TEST_F(OnTheDouble, AnotherGpuIsTheOnlyOneThatIsTouched) {
  gpus(4, "3");
  const std::string path = on_gpu("");
  EXPECT_EQ(trains(path, {"--set", "train.device=cuda:3"})["images"], 100);
  EXPECT_EQ(run({"bench", "step", path, "--set", "train.device=cuda:3", "--seconds", "0.1"}), 0) << text("stderr");
  EXPECT_EQ(trains(path, {"--set", "train.device=cuda:3", "--ranks", "2"})["ranks"].size(), 2u);
}

TEST_F(OnTheDouble, WithoutPageLockedMemoryARunGoesOnAndSaysSo) {
  gpus(1, "0");
  for (const char* from : {"1", "2", "4", "7"}) {
    SCOPED_TRACE(from);
    machine("CUDA_DOUBLE_FAULTS", std::string("cudaHostAlloc:") + from + "+");
    const Json epoch = trains(on_gpu(""));
    EXPECT_EQ(epoch["images"], 100);
  }
  machine("CUDA_DOUBLE_FAULTS", "cudaHostAlloc:1+");
  EXPECT_EQ(trains(on_gpu(""), {"--ranks", "2"})["images"], 100);
  EXPECT_EQ(run({"bench", "step", on_gpu(""), "--seconds", "0.1"}), 0) << text("stderr");
}

TEST_F(OnTheDouble, MemoryThatRunsOutIsAnErrorOfTheDevice) {
  gpus(1, "0");
  for (const char* fault : {"cudaMalloc:1+", "cudaMalloc:2+", "cudaMalloc:4+"}) {
    SCOPED_TRACE(fault);
    machine("CUDA_DOUBLE_FAULTS", fault);
    EXPECT_EQ(run({"train", on_gpu("", "", "resnet18"), "--out", out()}), 4) << text("stderr");
    EXPECT_THAT(text("stderr"), HasSubstr("memory"));
    EXPECT_THAT(text("stderr"), testing::Not(HasSubstr("internal error")));
  }
}

TEST_F(OnTheDouble, MemoryThatRunsOutInACaptureEndsTheRunAndLeavesNothingCapturing) {
  gpus(1, "0");
  machine("CUDA_DOUBLE_FAULTS", "cudaMalloc@capture:1+");
  EXPECT_EQ(run({"train", on_gpu("step = \"graph\"\n", "", "lenet"), "--out", out()}), 4) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("memory"));
}

TEST_F(OnTheDouble, AKernelThatFailsEndsTheRunInOneLine) {
  gpus(1, "0");
  machine("CUDA_DOUBLE_FAULTS", "cudaLaunchKernel:400=719");
  EXPECT_EQ(run({"train", on_gpu("epochs = 20\n"), "--out", out()}), 4) << text("stderr");
  EXPECT_THAT(text("stderr"), testing::Not(HasSubstr("internal error")));
}

TEST_F(OnTheDouble, ASignalStopsARunWithItsGraph) {
  gpus(1, "0");
  const pid_t child = start({"train", on_gpu("step = \"graph\"\nepochs = 100000\nevaluate_every = 0\n"), "--out", out()});
  ASSERT_TRUE(says("epoch 1:")) << text("stderr");
  kill(child, SIGTERM);
  EXPECT_EQ(finish(child), 143);
}

}  // namespace
}  // namespace millrace
