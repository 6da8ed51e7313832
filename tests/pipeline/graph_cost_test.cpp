#include "pipeline/graph_cost.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace millrace {
namespace {

TEST(GraphCost, IsMeasured) {
  const GraphCost cost = measure_graph_cost(0.02);
  std::printf("%.3f us a message, %.0f images/s\n", cost.microseconds_per_message, cost.images_per_second);
  EXPECT_GT(cost.microseconds_per_message, 0);
  EXPECT_GT(cost.images_per_second, 0);
}

TEST(GraphCost, OfTheClocksIsMeasured) {
  const double seconds = measure_clock_cost();
  std::printf("%.0f ns an entry\n", seconds * 1e9);
  EXPECT_GT(seconds, 0);
  EXPECT_LT(seconds, 1e-3);  // Not a timing: a unit that went wrong.
}

}  // namespace
}  // namespace millrace
