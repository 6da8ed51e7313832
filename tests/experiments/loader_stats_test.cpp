#include "experiments/loader_stats.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(DeliveredShare, IsOfTheRowsThatFullBatchesHave) {
  LoaderReport window;
  EXPECT_EQ(delivered_share(window, 10), 1) << "nothing was delivered: nothing is said";
  window.batches_delivered = 4;
  window.images_delivered = 30;
  EXPECT_EQ(delivered_share(window, 10), 0.75) << "ten bad samples were left out";
  window.images_delivered = 40;
  EXPECT_EQ(delivered_share(window, 10), 1);
}

}  // namespace
}  // namespace millrace
