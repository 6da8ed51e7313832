#include "train/loss_scaler.h"

#include <gtest/gtest.h>

namespace millrace::testing {
namespace {

TEST(LossScaler, HalvesItsScaleWhereAGradientOverflows) {
  train::LossScaler scaler(at::kCPU, 4, /*dynamic=*/true);
  EXPECT_EQ(scaler.scaled(at::scalar_tensor(1)).item<double>(), 65536.0 / 4);
  at::Tensor gradients = at::ones({100});
  EXPECT_EQ(scaler.look_for_overflow(gradients)->item<float>(), 0);
  scaler.update();
  EXPECT_EQ(scaler.factor().item<double>(), 65536.0 / 4);
  EXPECT_EQ(gradients.sum().item<double>(), 100) << "the check changes nothing";
  gradients[7] = INFINITY;
  EXPECT_EQ(scaler.look_for_overflow(gradients)->item<float>(), 1);
  scaler.update();
  EXPECT_EQ(scaler.factor().item<double>(), 32768.0 / 4);
}

TEST(LossScaler, WithoutADynamicScaleIsTheMean) {
  train::LossScaler scaler(at::kCPU, 8, /*dynamic=*/false);
  EXPECT_EQ(scaler.scaled(at::scalar_tensor(16)).item<double>(), 2);
  EXPECT_FALSE(scaler.look_for_overflow(at::full({2}, INFINITY)).has_value());
}

}  // namespace
}  // namespace millrace::testing
