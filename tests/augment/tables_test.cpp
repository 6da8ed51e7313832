// The literal tables of augment/README.md: resize weights, timm's levels and configuration strings, torchvision's bins.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "augment/autoaugment_table.h"
#include "augment/point.h"
#include "augment/policies.h"
#include "augment/resize_taps.h"
#include "augment/timm.h"
#include "augment/timm_config.h"
#include "pipeline/error.h"

namespace millrace::augment {
namespace {

struct Cell {
  int first;
  std::vector<int> weights;
};

void expect_taps(Filter filter, int in, float b0, float b1, const std::vector<Cell>& cells) {
  const int out = static_cast<int>(cells.size());
  std::vector<std::int32_t> memory(taps_words(static_cast<double>(b1 - b0), out, filter, true, out) + 1);
  const ResizeTaps taps = fill_taps(in, b0, b1, out, filter, true, 0, out, memory.data());
  for (int i = 0; i < out; ++i) {
    const std::int32_t* w = taps.weight + i * taps.stride;
    const Cell& cell = cells[static_cast<std::size_t>(i)];
    for (int at = 0; at < in; ++at) {  // Zero taps at the ends may be kept or dropped.
      const int ours = at - taps.first[i], theirs = at - cell.first;
      const int expected =
          theirs >= 0 && theirs < static_cast<int>(cell.weights.size()) ? cell.weights[static_cast<std::size_t>(theirs)] : 0;
      EXPECT_EQ(ours >= 0 && ours < taps.count[i] ? w[ours] : 0, expected) << "output " << i << " input " << at;
    }
  }
}

TEST(ResizeWeights, AreThoseOfTheTable) {
  expect_taps(Filter::box, 5, 0, 5, {{0, {2097152, 2097152}}, {2, {4194304}}, {3, {2097152, 2097152}}});
  expect_taps(Filter::hamming, 5, 0, 5, {{0, {2613238, 1581066, 0}}, {1, {600761, 2992781, 600761}}, {3, {1581066, 2613238}}});
  expect_taps(Filter::bilinear, 5, 0, 5, {{0, {2396745, 1797559, 0}}, {1, {932068, 2330169, 932068}}, {3, {1797559, 2396745}}});
  expect_taps(
      Filter::bicubic, 5, 0, 5,
      {{0, {2452055, 1871305, 0, -129056}}, {0, {-156067, 1033945, 2438549, 1033945, -156067}}, {1, {-129056, 0, 1871305, 2452055}}});
  expect_taps(Filter::lanczos, 5, 0, 5,
              {{0, {2467317, 1952482, 0, -298379, 72884}},
               {0, {-289771, 1159085, 2455677, 1159085, -289771}},
               {0, {72884, -298379, 0, 1952482, 2467317}}});
  expect_taps(Filter::bilinear, 8, 1.5f, 6.25f, {{0, {138274, 875734, 1613194, 1152281, 414821}}, {3, {619613, 1382214, 1477539, 714938}}});
}

TEST(TimmLevels, AreThoseOfTheTable) {
  struct Row {
    double level, rotate, shear, translate;
    int bits, bits_inc, solarize, solarize_inc, add;
    double enhance, plus, minus;
  };
  const Row rows[] = {{0, 0, 0, 0, 0, 4, 0, 256, 0, 0.1, 1, 1},
                      {1, 3, .03, .045, 0, 4, 25, 231, 11, 0.28, 1.09, .91},
                      {2.5, 7.5, .075, .1125, 1, 3, 64, 192, 27, 0.55, 1.225, .775},
                      {5, 15, .15, .225, 2, 2, 128, 128, 55, 1.0, 1.45, .55},
                      {8.5, 25.5, .255, .3825, 3, 1, 217, 39, 93, 1.63, 1.765, .235},
                      {9, 27, .27, .405, 3, 1, 230, 26, 99, 1.72, 1.81, .19},
                      {9.5, 28.5, .285, .4275, 3, 1, 243, 13, 104, 1.81, 1.855, .145},
                      {10, 30, .3, .45, 4, 0, 256, 0, 110, 1.9, 1.9, .1},
                      {15, 45, .45, .675, 6, -2, 256, 0, 128, 2.8, 2.35, .1}};
  for (const Row& r : rows) {
    const auto near = [&](double expected, TimmOp op, bool inc, double sign = 1) {
      EXPECT_NEAR(timm_argument(op, inc, r.level, sign), expected, 1e-12 * std::max(1.0, std::abs(expected))) << "level " << r.level;
    };
    near(r.rotate, TimmOp::rotate, false);
    near(-r.rotate, TimmOp::rotate, true, -1);
    near(r.shear, TimmOp::shear_x, false);
    near(r.translate, TimmOp::translate_y, true);
    near(r.enhance, TimmOp::color, false);
    near(r.plus, TimmOp::contrast, true);
    near(r.minus, TimmOp::sharpness, true, -1);
    EXPECT_EQ(timm_argument(TimmOp::posterize, false, r.level, 1), r.bits);
    EXPECT_EQ(timm_argument(TimmOp::posterize, true, r.level, 1), r.bits_inc);
    EXPECT_EQ(timm_argument(TimmOp::solarize, false, r.level, 1), r.solarize);
    EXPECT_EQ(timm_argument(TimmOp::solarize, true, r.level, 1), r.solarize_inc);
    EXPECT_EQ(timm_argument(TimmOp::solarize_add, true, r.level, 1), r.add);
  }
}

struct ConfigRow {
  const char* text;
  int m, n;
  double p, std;
  bool uniform;
  int max;
  bool increasing;
  std::size_t members;
};

TEST(TimmConfigString, GrammarIsTimms) {
  const ConfigRow rows[] = {{"rand-m9-mstd0.5-inc1", 9, 2, .5, .5, false, 10, true, 15},
                            {"rand-m15-mmax20-inc1", 15, 2, .5, 0, false, 20, true, 15},
                            {"rand-m9-n3-mstd101", 9, 3, .5, 0, true, 10, false, 15},
                            {"rand-m9-n3-mstd100", 9, 3, .5, 100, false, 10, false, 15},
                            {"rand-m9-inc0", 9, 2, .5, 0, false, 10, false, 15},
                            {"rand-m9-inc", 9, 2, .5, 0, false, 10, false, 15},
                            {"rand--m9-m3-n1-n4", 3, 4, .5, 0, false, 10, false, 15},
                            {"rand-mstd0.5-mstd1-mmax0", 10, 2, .5, .5, false, 10, false, 15},
                            {"rand-mstd1-tweights-t3a", 10, 2, .5, 1, false, 10, false, 15},
                            {"rand-mstd1-tfoo-inc1", 10, 2, .5, 1, false, 10, true, 15},
                            {"rand-t3a", 10, 2, .5, 0, false, 10, false, 3},
                            {"rand-t3aw-p0.75", 10, 2, .75, 0, false, 10, false, 14},
                            {"rand", 10, 2, .5, 0, false, 10, false, 15},
                            {"rand-mmax0-mmax20", 10, 2, .5, 0, false, 10, false, 15}};
  for (const ConfigRow& r : rows) {
    const TimmConfig c = parse_timm_config(r.text);
    EXPECT_TRUE(c.magnitude == r.m && c.num_ops == r.n && c.probability == r.p && c.magnitude_std == r.std &&
                c.uniform_noise == r.uniform && c.magnitude_max == r.max && c.increasing == r.increasing && c.choices.size() == r.members)
        << r.text;
  }
  EXPECT_TRUE(parse_timm_config("rand-tweights").weighted);
  EXPECT_FALSE(parse_timm_config("rand-t3a").weighted);
  EXPECT_TRUE(parse_timm_config("rand-w0").weighted);
  EXPECT_FALSE(parse_timm_config("rand-w0").choices[0].increasing);
  EXPECT_TRUE(parse_timm_config("rand-w0-inc1").choices[0].increasing);
}

TEST(TimmConfigString, WhatTimmIgnoresIsWarnedOf) {
  for (const char* text : {"rand-inc", "rand--m9", "rand-mstdinf", "rand-tfoo", "rand-w0"})
    EXPECT_EQ(parse_timm_config(text).warnings.size(), 1u) << text;
  EXPECT_TRUE(parse_timm_config("rand-m9-mstd0.5-inc1").warnings.empty());
}

TEST(TimmConfigString, WhatTimmRefusesIsAnError) {
  for (const char* text : {"", "Rand-m9", "rands-m9", "augmix-m3", "rand-m9.5", "rand-p.5", "rand-9", "rand-M9", "rand-x3", "rand-w1",
                           "rand-w0-tweights", "rand-m9x", "rand-m99999999999", "rand-tweights-n16", "rand-w0-n14"})
    EXPECT_THROW(parse_timm_config(text), Error) << text;
}

TEST(TorchvisionBins, PosterizeRunsAreThoseOfTheTable) {
  const auto runs = [](auto&& bits_of, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += static_cast<char>('0' + static_cast<int>(bits_of(i)));
    return text;
  };
  EXPECT_EQ(runs([](int i) { return rand_augment_bin(TvOp::posterize, i, 31, {}); }, 31), "8888777777776666666555555554444");
  EXPECT_EQ(runs([](int i) { return trivial_augment_bin(TvOp::posterize, i, 31); }, 31), "8887777766666555554444433333222");
  EXPECT_EQ(runs([](int i) { return rand_augment_bin(TvOp::posterize, i, 10, {}); }, 10), "8877665544");
}

TEST(TorchvisionBins, MagnitudeNineIsAsPublished) {
  const Size size{224, 224};
  EXPECT_FLOAT_EQ(static_cast<float>(rand_augment_bin(TvOp::shear_x, 9, 31, size)), 0.09f);
  EXPECT_NEAR(rand_augment_bin(TvOp::translate_x, 9, 31, size), 30.45, 0.01);
  EXPECT_EQ(static_cast<int>(rand_augment_bin(TvOp::translate_y, 9, 31, {32, 32})), 4);
  EXPECT_EQ(rand_augment_bin(TvOp::rotate, 9, 31, size), 9.0);
  EXPECT_EQ(rand_augment_bin(TvOp::color, 9, 31, size), double(0.27f));
  EXPECT_EQ(rand_augment_bin(TvOp::solarize, 9, 31, size), 178.5);
  EXPECT_EQ(trivial_augment_bin(TvOp::rotate, 30, 31), 135.0);
}

TEST(AutoAugmentPolicies, AFewLinesAreThoseOfThePaper) {
  const auto& first = auto_augment_policy(AutoAugment::Policy::imagenet, 0);
  EXPECT_TRUE(first[0].op == TvOp::posterize && first[0].probability == 0.4 && first[0].bin == 8 && first[1].op == TvOp::rotate &&
              first[1].bin == 9);
  const auto& last = auto_augment_policy(AutoAugment::Policy::svhn, 24);
  EXPECT_TRUE(last[0].op == TvOp::shear_x && last[0].probability == 0.7 && last[1].op == TvOp::invert && last[1].probability == 0.1);
  EXPECT_EQ(auto_augment_policy(AutoAugment::Policy::imagenet, 7)[1].probability, 1.0);
}

TEST(TimmFill, IsTheRoundedMean) {
  EXPECT_EQ(timm_fill(kImagenetMean), (std::array<std::uint8_t, 3>{124, 116, 104}));
  EXPECT_EQ(timm_fill({0.5, 0.5, 0.5}), (std::array<std::uint8_t, 3>{128, 128, 128}));
  EXPECT_EQ(timm_fill({.4914, .4822, .4465}), (std::array<std::uint8_t, 3>{125, 123, 114}));
}

TEST(PosterizeTable, NoBitsAreBlack) {
  EXPECT_EQ(posterize_table(0)[255], 0);
  EXPECT_EQ(posterize_table(-2)[255], 0);
  EXPECT_EQ(posterize_table(1)[255], 128);
  EXPECT_EQ(posterize_table(9)[77], 77);
}

}  // namespace
}  // namespace millrace::augment
