#include "train/gpu_support.h"

#include <gtest/gtest.h>

namespace millrace::train {
namespace {

constexpr int kNoDevice = 100, kInsufficientDriver = 35;

TEST(GpuSupport, AMachineWithoutADriverSaysSo) {
  EXPECT_EQ(why_no_gpu({.error = kInsufficientDriver, .runtime_cuda = 13000}), "there is no NVIDIA driver here");
}

TEST(GpuSupport, ADriverThatIsTooOldIsNamedWithTheOneThatIsNeeded) {
  EXPECT_EQ(why_no_gpu({.error = kInsufficientDriver, .driver_cuda = 12020, .runtime_cuda = 13000, .driver = "535.104.05"}),
            "NVIDIA's driver here, 535.104.05, is too old: it knows CUDA 12.2, LibTorch here is built with CUDA 13.0, which needs driver 580 or newer");
}

TEST(GpuSupport, AnOlderMinorVersionOfTheSameCudaWillDo) {
  EXPECT_EQ(why_no_gpu({.count = 1, .driver_cuda = 13000, .runtime_cuda = 13010}), "");
  EXPECT_EQ(why_no_gpu({.error = kNoDevice, .driver_cuda = 13000, .runtime_cuda = 13010}), "NVIDIA's driver shows no GPU");
}

TEST(GpuSupport, WhatElseCudaSaysIsPassedOn) {
  EXPECT_EQ(why_no_gpu({.error = 802, .error_text = "system not yet initialized", .driver_cuda = 13000, .runtime_cuda = 13000}),
            "CUDA finds no GPU: system not yet initialized");
}

TEST(GpuSupport, TuringIsTheOldestThatHasKernels) {
  EXPECT_EQ(why_too_old(0, "Tesla T4", 7, 5), "");
  EXPECT_EQ(why_too_old(0, "NVIDIA H200", 9, 0), "");
  EXPECT_EQ(why_too_old(1, "Tesla V100", 7, 0), "GPU 1 (Tesla V100, compute capability 7.0) is older than Turing (7.5), the oldest that CUDA 13 has kernels for");
}

}  // namespace
}  // namespace millrace::train
