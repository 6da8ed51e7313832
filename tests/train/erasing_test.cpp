#include "train/erasing.h"

#include <gtest/gtest.h>

namespace millrace::train {
namespace {

TEST(Erasing, OverwritesBoxesWithZerosOneValueAChannelOrOneAPixel) {
  const at::Tensor values = at::arange(1, 1 + 2 + 12).to(at::kFloat);
  for (const auto order : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor images = at::full({2, 2, 5, 4}, 100.0).contiguous(order);
    erase_boxes(images, std::vector<Erasures::Box>{{0, {1, 2, 3, 2}, 0, 0}, {1, {0, 0, 2, 1}, 0, 2}, {1, {1, 0, 3, 2}, 2, 12}}, values);
    EXPECT_EQ(images[0].eq(0).sum().item<int>(), 2 * 6);
    EXPECT_EQ(images[0][1][3][3].item<float>(), 0);
    EXPECT_EQ(images[0][1][1][3].item<float>(), 100);
    EXPECT_EQ(images[1][0][0][0].item<float>(), 1);
    EXPECT_EQ(images[1][1][0][0].item<float>(), 2);
    EXPECT_EQ(images[1][0][0][1].item<float>(), 3); // The later box covers the earlier.
    EXPECT_EQ(images[1][0][1][1].item<float>(), 6);
    EXPECT_EQ(images[1][1][1][3].item<float>(), 14);
  }
}

}  // namespace
}  // namespace millrace::train
