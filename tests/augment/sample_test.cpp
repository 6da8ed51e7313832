// Resize without antialias: the written definition, at every level, for sizes that stress the blocks.
#include <gtest/gtest.h>

#include <cmath>

#include "augment/dispatch.h"
#include "reference.h"

namespace millrace::test {
namespace {

using namespace augment;

int sampled(int a, int b, int w) { return a + (((b - a) * w + (1 << 14)) >> 15); }

// The definition of sample.h, one axis at a time.
Picture across(const Picture& in, int width) {
  Picture out({width, in.size.height}, in.channels);
  for (int x = 0; x < width; ++x) {
    const double c = (x + 0.5) * in.size.width / width - 0.5;
    int j = static_cast<int>(std::floor(c)), w = std::min(32767, static_cast<int>(std::floor((c - j) * 32768 + 0.5)));
    if (j < 0) j = w = 0;
    if (j >= in.size.width - 1) j = in.size.width - 1, w = 0;
    for (int y = 0; y < in.size.height; ++y)
      for (int k = 0; k < in.channels; ++k) {
        const std::uint8_t* a = in.view().row(y) + j * in.channels + k;
        out.edit().row(y)[x * in.channels + k] = static_cast<std::uint8_t>(sampled(a[0], w == 0 ? a[0] : a[in.channels], w));
      }
  }
  return out;
}
Picture transposed(const Picture& in) {
  Picture out({in.size.height, in.size.width}, in.channels);
  for (int y = 0; y < in.size.height; ++y)
    for (int x = 0; x < in.size.width; ++x)
      for (int k = 0; k < in.channels; ++k) out.edit().row(x)[y * in.channels + k] = in.view().row(y)[x * in.channels + k];
  return out;
}

TEST(SampledResize, FollowsItsDefinitionOnEveryLevel) {
  const Size sizes[] = {{1, 1}, {2, 3}, {7, 5}, {33, 40}, {64, 21}, {130, 9}, {500, 17}, {3000, 4}};
  const Size targets[] = {{1, 1}, {5, 4}, {40, 36}, {97, 8}, {224, 3}};
  for (const int channels : {1, 3})
    for (const Size from : sizes)
      for (const Size to : targets) {
        const Picture in = make_picture(from, channels, 3);
        const Picture expected = transposed(across(transposed(across(in, to.width)), to.height));
        for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
          if (!supports(level)) continue;
          const ForcedLevel forced(level);
          Scratch scratch;
          Picture out(to, channels);
          resize(in.view(), {.filter = Filter::bilinear, .antialias = false}, out.edit(), scratch);
          ASSERT_EQ(out.pixels, expected.pixels)
              << from.width << "x" << from.height << " to " << to.width << "x" << to.height << " " << name_of(level);
        }
      }
}

TEST(Resize, EveryLevelAgreesWithTheScalarOneForAllFiltersAndBoxes) {
  for (const Filter filter : {Filter::nearest, Filter::box, Filter::bilinear, Filter::hamming, Filter::bicubic, Filter::lanczos})
    for (const Size from : {Size{1, 7}, {40, 33}, {131, 64}, {700, 20}, {3000, 3}})
      for (const Size to : {Size{3, 9}, {64, 20}, {224, 5}})
        for (const int channels : {1, 3}) {
          const Picture in = make_picture(from, channels, 11);
          const Box box{from.width * 0.13f, from.height * 0.07f, from.width * 0.9f, from.height * 0.81f};
          std::vector<std::uint8_t> expected;
          for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
            if (!supports(level)) continue;
            const ForcedLevel forced(level);
            Scratch scratch;
            Picture whole(to, channels), part(to, channels);
            resize(in.view(), {.filter = filter}, whole.edit(), scratch);
            resize(in.view(), box, {.filter = filter, .pass_order = PassOrder::pillow13}, part.edit(), scratch);
            whole.pixels.insert(whole.pixels.end(), part.pixels.begin(), part.pixels.end());
            if (level == Level::scalar) expected = whole.pixels;
            ASSERT_EQ(whole.pixels, expected) << from.width << "x" << from.height << " to " << to.width << "x" << to.height << " "
                                              << name_of(level);
          }
        }
}

}  // namespace
}  // namespace millrace::test
