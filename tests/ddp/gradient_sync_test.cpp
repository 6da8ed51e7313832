#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "train/gradient_sync.h"

namespace millrace::train {
namespace {

/// Two ranks with three parameters each, a bucket for each of them or one for all.
void on_two_ranks(std::int64_t bucket_bytes, const std::function<void(int, const std::vector<at::Tensor>&, FlatParameters&, GradientSync&)>& work) {
  const auto ranks = make_local_collectives(2, 30);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      std::vector<at::Tensor> parameters;
      for (const std::int64_t n : {3, 40, 5}) parameters.push_back(at::ones({n}).set_requires_grad(true));
      FlatParameters flat(parameters, at::kCPU, bucket_bytes, bucket_bytes);
      GradientSync sync(ranks[static_cast<std::size_t>(rank)], flat, /*overlap=*/true);
      work(rank, parameters, flat, sync);
    });
}

bool all_are(const FlatParameters& flat, std::size_t parameter, float value) {
  return flat.view_of(flat.gradients(), parameter).eq(value).all().item<bool>();
}

TEST(GradientSync, WhatABackwardDoesNotTouchIsSentAsZeros) {
  for (const std::int64_t bucket_bytes : {0, 1 << 20})
    on_two_ranks(bucket_bytes, [](int rank, const auto& parameters, FlatParameters& flat, GradientSync& sync) {
      for (int round = 0; round < 50; ++round) {
        sync.expect();
        (rank == 0 ? parameters[0].sum() + parameters[2].sum() * 10 : parameters[0].sum() * 2).backward();
        const Tally all = sync.finish({.rows = rank + 1.0, .stop = double(rank)});
        EXPECT_EQ(all.rows, 3);
        EXPECT_EQ(all.stop, 1);
        EXPECT_TRUE(all_are(flat, 0, 3));
        EXPECT_TRUE(all_are(flat, 1, 0));
        EXPECT_TRUE(all_are(flat, 2, 10));
        flat.forget_gradients();
      }
    });
}

TEST(GradientSync, ARankWithoutABackwardSendsZeros) {
  on_two_ranks(0, [](int rank, const auto& parameters, FlatParameters& flat, GradientSync& sync) {
    for (int round = 0; round < 3; ++round) { // Later ones find the sums of the one before in the buffer.
      sync.expect();
      if (rank == 0) parameters[1].sum().backward();
      sync.finish({});
      EXPECT_TRUE(all_are(flat, 1, 1));
      flat.forget_gradients();
    }
  });
}

TEST(GradientSync, GradientsThatAreNotExpectedStayThisRanksOwn) {
  on_two_ranks(0, [](int rank, const auto& parameters, FlatParameters& flat, GradientSync& sync) {
    parameters[0].sum().backward();
    flat.take_gradients();
    EXPECT_TRUE(all_are(flat, 0, 1));
    sync.expect();
    (parameters[0].sum() * (10 + rank)).backward();
    sync.finish({});
    EXPECT_TRUE(all_are(flat, 0, 23));
  });
}

}  // namespace
}  // namespace millrace::train
