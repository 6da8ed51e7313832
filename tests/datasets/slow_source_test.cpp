#include "datasets/slow_source.h"

#include <gtest/gtest.h>

#include "datasets/digits.h"
#include "pipeline/clock.h"

namespace millrace {
namespace {

TEST(SlowReads, OneInAThousandIsRare) {
  const SlowReads reads{.usual_us = 5, .rare_us = 2000};
  int rare = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) rare += reads.of(i) == 2000;
  EXPECT_GT(rare, 60);  // 100 expected: four standard deviations.
  EXPECT_LT(rare, 140);
  EXPECT_EQ((SlowReads{.usual_us = 5}.of(17)), 5);
}

TEST(SlowSource, ChangesNothingButTheTime) {
  const auto plain = open_digits({.size = 10});
  const auto slow = open_slow(open_digits({.size = 10}), {.usual_us = 2000});
  EXPECT_EQ(slow->size(), plain->size());
  EXPECT_EQ(slow->origin(3), plain->origin(3));
  EXPECT_EQ(slow->info().fingerprint, plain->info().fingerprint);
  Buffer a, b;
  const auto began = SteadyClock::now();
  const auto read = slow->read(3, a);
  EXPECT_GE(seconds_between(began, SteadyClock::now()), 0.002);  // A sleep is never shorter.
  ASSERT_TRUE(read);
  EXPECT_EQ(read->label, plain->read(3, b)->label);
}

}  // namespace
}  // namespace millrace
