#include <gtest/gtest.h>

#include "augment/dispatch.h"
#include "augment/ops.h"

namespace millrace::augment {
namespace {

TEST(Recipe, NormalisesToTheDefinition) {
  const auto recipe = compile({Normalize{{0.1307}, {0.3081}}}, {.channels = 1, .input = {28, 28}});
  std::vector<std::uint8_t> pixels(784);
  for (std::size_t i = 0; i < 784; ++i) pixels[i] = static_cast<std::uint8_t>(i);
  std::vector<float> row(784);
  Scratch scratch;
  const ImageInfo info{{28, 28}, 1};
  const auto draw = recipe->draw(info, {});
  ASSERT_TRUE(draw);
  ASSERT_TRUE(recipe->apply(*draw, info, {pixels.data(), 28, 28, 1, 28}, row.data(), scratch));
  for (std::size_t i = 0; i < 784; ++i) EXPECT_EQ(row[i], (static_cast<float>(pixels[i]) / 255.0f - 0.1307f) / 0.3081f);
}

}  // namespace
}  // namespace millrace::augment
