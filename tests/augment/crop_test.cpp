// Copies: mirror images in place and not, all widths; padding by the pixel; centred windows.
#include <gtest/gtest.h>

#include "augment/dispatch.h"
#include "reference.h"

namespace millrace::test {
namespace {

using namespace augment;

TEST(Flip, MirrorsEveryWidthInPlaceAndNot) {
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
    if (!supports(level)) continue;
    const ForcedLevel forced(level);
    for (const int channels : {1, 3})
      for (const int width : {1, 2, 3, 5, 6, 7, 11, 12, 16, 31, 64, 2048, 2049, 2500}) {
        const Picture in = make_picture({width, 2}, channels, 1);
        Picture out({width, 2}, channels), same = in;
        flip_horizontal(in.view(), out.edit());
        flip_horizontal(same.view(), same.edit());
        ASSERT_EQ(out.pixels, same.pixels) << width;
        for (int x = 0; x < width; ++x)
          for (int c = 0; c < channels; ++c)
            ASSERT_EQ(out.view().row(1)[x * channels + c], in.view().row(1)[(width - 1 - x) * channels + c]) << width;
      }
  }
}

std::vector<int> padded(PadMode mode, int left, int width) {
  const std::uint8_t row[3] = {1, 2, 3};
  std::vector<std::uint8_t> out(static_cast<std::size_t>(width));
  crop({row, 3, 1, 1, 3}, left, 0, mode, {9, 9, 9}, {out.data(), width, 1, 1, width});
  return {out.begin(), out.end()};
}

TEST(Crop, PadsAsTorchvisionDoes) {
  EXPECT_EQ(padded(PadMode::constant, -2, 7), (std::vector{9, 9, 1, 2, 3, 9, 9}));
  EXPECT_EQ(padded(PadMode::edge, -2, 7), (std::vector{1, 1, 1, 2, 3, 3, 3}));
  EXPECT_EQ(padded(PadMode::reflect, -2, 7), (std::vector{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(padded(PadMode::symmetric, -2, 7), (std::vector{2, 1, 1, 2, 3, 3, 2}));
  EXPECT_EQ(padded(PadMode::constant, 5, 2), (std::vector{9, 9}));
}

TEST(CenterCrop, RoundsHalvesToEvenAndPadsLessOnTheLeft) {
  EXPECT_EQ(center_crop_window({37, 39}, {32, 32}), (Roi{2, 4, 32, 32}));
  EXPECT_EQ(center_crop_window({5, 8}, {8, 8}), (Roi{-1, 0, 8, 8}));
}

TEST(ShorterSide, FloorsTheLongerOne) {
  EXPECT_EQ(size_for_shorter_side({500, 375}, 256), (Size{341, 256}));
  EXPECT_EQ(size_for_shorter_side({256, 999}, 256), (Size{256, 999}));
}

}  // namespace
}  // namespace millrace::test
