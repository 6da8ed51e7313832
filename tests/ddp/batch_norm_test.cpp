#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "train/batch_norm.h"

namespace millrace::train {
namespace {

TEST(BatchNorm, OneValueAChannelIsANamedErrorInTrainingOnly) {
  BatchNorm norm(3);
  try {
    norm(at::ones({1, 3, 1, 1}));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("one value a channel"), std::string::npos);
  }
  EXPECT_EQ(norm->num_batches_tracked.item<std::int64_t>(), 0);
  norm->eval();
  EXPECT_EQ(norm(at::ones({1, 3, 1, 1})).numel(), 3);
}

TEST(BatchNorm, OneValueAChannelOverAllRanksToo) {
  const auto ranks = make_local_collectives(1, 1);
  BatchNorm norm(3);
  ASSERT_TRUE(synchronise_norms(*norm, ranks[0]));
  EXPECT_THROW(norm(at::ones({1, 3, 1, 1})), Error);
}

TEST(BatchNorm, SynchronisedOverOneRankEqualsTorchsForwardBackwardAndRunningStatistics) {
  const auto ranks = make_local_collectives(1, 1);
  BatchNorm norm(5), plain(5);
  {
    at::NoGradGuard no_grad;
    for (auto* n : {&norm, &plain}) (*n)->weight.copy_(at::linspace(0.5, 1.5, 5)), (*n)->bias.copy_(at::linspace(-1, 1, 5));
  }
  ASSERT_TRUE(synchronise_norms(*norm, ranks[0]));
  const at::Tensor values = at::linspace(-3, 5, 4 * 5 * 6 * 7).sin().mul(3).add(100).view({4, 5, 6, 7}); // Far from 0: cancellation would show.
  at::Tensor x = values.clone().set_requires_grad(true), y = values.clone().set_requires_grad(true);
  const at::Tensor a = norm(x), b = plain(y), weights = at::linspace(0, 9, a.numel()).cos().view(a.sizes());
  (a * weights).sum().backward();
  (b * weights).sum().backward();
  const auto near = [](const at::Tensor& left, const at::Tensor& right) { return (left - right).abs().max().item<float>(); };
  EXPECT_LT(near(a, b), 2e-4);
  EXPECT_LT(near(x.grad(), y.grad()), 2e-4);
  EXPECT_LT(near(norm->weight.grad(), plain->weight.grad()), 2e-3);
  EXPECT_LT(near(norm->bias.grad(), plain->bias.grad()), 2e-4);
  EXPECT_LT(near(norm->running_mean, plain->running_mean), 1e-4);
  EXPECT_LT(near(norm->running_var, plain->running_var), 1e-4);
}

}  // namespace
}  // namespace millrace::train
