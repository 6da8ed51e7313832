#include "train/slow_link.h"

#include <gtest/gtest.h>

#include <thread>

#include "pipeline/clock.h"
#include "train/local_collective.h"

namespace millrace::train {
namespace {

TEST(SlowLink, SumsAreTheSameAndTakeAsLongAsTheirBytesNeed) {
  constexpr double kMbit = 8;                   // A byte a microsecond:
  constexpr std::int64_t kFloats = 5000;        // 20,000 of them are sent by each of two ranks.
  const auto ranks = make_local_collectives(2, 30);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      const auto slow = make_slow_link(ranks[static_cast<std::size_t>(rank)], kMbit);
      at::Tensor values = at::full({kFloats}, rank + 1.0);
      const auto began = SteadyClock::now();
      slow->all_reduce_sum(values);
      EXPECT_GE(seconds_between(began, SteadyClock::now()), 0.02);  // A sleep is never shorter.
      EXPECT_TRUE(values.eq(3).all().item<bool>());
      EXPECT_EQ(slow->rank(), rank);
      EXPECT_EQ(slow->size(), 2);
      ASSERT_TRUE(slow->second());
    });
}

}  // namespace
}  // namespace millrace::train
