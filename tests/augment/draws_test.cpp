// The laws of random draws, by the statistics of the references' own laws (augment/README.md). Seeds are fixed: the tests are deterministic.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numeric>

#include "augment/autoaugment_table.h"
#include "augment/draws.h"
#include "augment/erase.h"
#include "augment/policies.h"

namespace millrace::augment {
namespace {

constexpr int kSamples = 100000;

Rng stream(int sample, std::uint8_t slot = 0) {
  return Rng({.seed = 20240607, .epoch = 3, .sample = static_cast<std::uint64_t>(sample), .slot = slot});
}

void expect_share(double share, double p, int n = kSamples) {
  EXPECT_LE(std::abs(share - p), 5 * std::sqrt(p * (1 - p) / n)) << "share " << share << " of " << p;
}

double chi_square(const std::vector<int>& counts) {
  const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  double sum = 0;
  for (const int n : counts) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

// Mean and standard deviation.
struct Moments {
  double n = 0, sum = 0, squares = 0;
  void add(double v) { n += 1, sum += v, squares += v * v; }
  double mean() const { return sum / n; }
  double sd() const { return std::sqrt(squares / n - mean() * mean()); }
};

// Prepared numbers behind the interface of randomness.
class Prepared final : public RandomSource {
 public:
  std::deque<double> uniforms;
  std::deque<std::uint64_t> integers;
  using RandomSource::uniform;
  double uniform() override { return take(uniforms); }
  std::uint64_t below(std::uint64_t n) override {
    const auto v = take(integers);
    EXPECT_LT(v, n);
    return v;
  }

 private:
  template <class T>
  T take(std::deque<T>& from) {
    EXPECT_FALSE(from.empty());
    const T v = from.front();
    from.pop_front();
    return v;
  }
};

// What one policy drew, by kind and parameter.
template <class F>
Draw drawn(F&& policy, int sample, Size size = {224, 224}) {
  Draw draw;
  DrawBuilder builder(draw, size);
  Rng rng = stream(sample);
  policy(rng, builder);
  return draw;
}

// Identity-free sets at p = 1: the kinds in their order.
Draw timm(const TimmConfig& config, int sample, bool random_filter = false) {
  return drawn([&](Rng& rng, DrawBuilder& b) { draw_timm(config, {.filter = Filter::bicubic, .random_filter = random_filter}, rng, b); },
               sample);
}

TEST(TimmDraws, PairsOfOperationsAreUniform) {
  TimmConfig config = parse_timm_config("rand-m9-p1");
  std::map<Drawn, int> index;
  std::vector<int> single(15), pairs(225);
  for (int i = 0; i < kSamples; ++i) {
    const Draw d = timm(config, i);
    ASSERT_EQ(d.count, 2);
    const auto number = [&](int k) {
      return index.emplace(kind_of(d.ops[static_cast<std::size_t>(k)]), static_cast<int>(index.size())).first->second;
    };
    const int a = number(0), b = number(1);
    ++single[static_cast<std::size_t>(a)];
    ++pairs[static_cast<std::size_t>(a * 15 + b)];
  }
  EXPECT_EQ(index.size(), 15u);
  EXPECT_LT(chi_square(single), 54.6);
  EXPECT_LT(chi_square(pairs), 339.4);
}

TEST(TimmDraws, EachOperationIsGatedByItself) {
  const TimmConfig config = parse_timm_config("rand-m9");
  std::array<int, 3> applied{};
  for (int i = 0; i < kSamples; ++i) ++applied[static_cast<std::size_t>(timm(config, i).count)];
  expect_share(applied[0] / double(kSamples), 0.25);
  expect_share(applied[1] / double(kSamples), 0.5);
  expect_share(applied[2] / double(kSamples), 0.25);
}

TEST(TimmDraws, NoiseIsGaussianAndClamped) {
  TimmConfig config = parse_timm_config("rand-m9-n1-p1-mstd0.5-inc1");
  config.choices = {{TimmOp::shear_x, true, 1}};  // The level is shear / 0.3 * 10.
  Moments levels;
  int at_limit = 0, low = 0, negative = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double shear = timm(config, i).ops[0].parameters[1], level = std::abs(shear) / 0.03;
    levels.add(level);
    at_limit += level > 10 - 1e-9;
    low += level < 7.5;
    negative += shear < 0;
  }
  EXPECT_NEAR(levels.mean(), 8.9958, 5 * 0.49 / std::sqrt(kSamples));
  EXPECT_NEAR(levels.sd(), 0.490, 0.006);
  expect_share(at_limit / double(kSamples), 0.02275);
  expect_share(low / double(kSamples), 0.00135);
  expect_share(negative / double(kSamples), 0.5);
}

TEST(TimmDraws, PosterizeGoesBlackAsOftenAsTimms) {
  TimmConfig config = parse_timm_config("rand-m9-n1-p1-mstd0.5-inc1");
  config.choices = {{TimmOp::posterize, true, 1}};
  std::array<int, 5> bits{};
  for (int i = 0; i < kSamples; ++i) ++bits[static_cast<std::size_t>(timm(config, i).ops[0].parameters[0])];
  expect_share(bits[0] / double(kSamples), 0.02275);
  expect_share(bits[1] / double(kSamples), 0.9759);
  expect_share(bits[2] / double(kSamples), 0.00135);
}

TEST(TimmDraws, RandomInterpolationIsEven) {
  TimmConfig config = parse_timm_config("rand-m9-n1-p1");
  config.choices = {{TimmOp::rotate, false, 1}};
  int cubic = 0;
  for (int i = 0; i < kSamples; ++i) cubic += static_cast<Filter>(detail_of(timm(config, i, true).ops[0])) == Filter::bicubic;
  expect_share(cubic / double(kSamples), 0.5);
}

TEST(TimmDraws, WeightedSetsFollowTheirWeightsAndNeverRepeat) {
  const TimmConfig config = parse_timm_config("rand-tweights-p1");
  std::map<Drawn, int> first;
  for (int i = 0; i < kSamples; ++i) {
    const Draw d = timm(config, i);
    ++first[kind_of(d.ops[0])];
    ASSERT_NE(kind_of(d.ops[0]), kind_of(d.ops[1]));
  }
  expect_share(first[Drawn::rotate] / double(kSamples), .29703);
  expect_share(first[Drawn::shear_x] / double(kSamples), .19802);
  expect_share(first[Drawn::translate_x] / double(kSamples), .09901);
  expect_share(first[Drawn::color] / double(kSamples), .02475);
  expect_share(first[Drawn::invert] / double(kSamples), .00495);
}

TEST(TorchvisionDraws, OperationsAndBinsAreUniform) {
  std::vector<int> ops(14), bins(31);
  for (int i = 0; i < kSamples; ++i) {
    Rng rng = stream(i);
    ++ops[rng.below(14)];
    Draw d;
    DrawBuilder b(d, {32, 32});
    Rng again = stream(i, 1);
    draw_trivial_augment({}, again, b);
    if (d.count == 1 && kind_of(d.ops[0]) == Drawn::solarize)
      ++bins[static_cast<std::size_t>(std::lround((255 - d.ops[0].parameters[0]) / 8.5))];
  }
  EXPECT_LT(chi_square(ops), 52.7);
  EXPECT_LT(chi_square(bins), 82.0);
}

TEST(TorchvisionDraws, RandAugmentTakesEachOfFourteen) {
  std::map<Drawn, int> kinds;
  int none = 0;
  for (int i = 0; i < kSamples; ++i) {
    const Draw d = drawn([](Rng& rng, DrawBuilder& b) { draw_rand_augment({.num_ops = 1}, rng, b); }, i);
    if (d.count == 0)
      ++none;
    else
      ++kinds[kind_of(d.ops[0])];
  }
  std::vector<int> counts{none};
  for (const auto& [kind, n] : kinds) counts.push_back(n);
  ASSERT_EQ(counts.size(), 14u);
  EXPECT_LT(chi_square(counts), 52.7);
}

TEST(TorchvisionDraws, AutoAugmentAppliesStepsWithTheirProbabilities) {
  for (const auto set : {AutoAugment::Policy::imagenet, AutoAugment::Policy::cifar10, AutoAugment::Policy::svhn}) {
    double expected = 0, applied = 0;
    for (int i = 0; i < kAutoAugmentPolicies; ++i)
      for (const AutoAugmentStep& step : auto_augment_policy(set, i)) expected += step.probability / kAutoAugmentPolicies;
    for (int i = 0; i < kSamples; ++i)
      applied += drawn([&](Rng& rng, DrawBuilder& b) { draw_auto_augment({.policy = set}, rng, b); }, i).count;
    EXPECT_NEAR(applied / kSamples, expected, 5 * 0.7 / std::sqrt(kSamples));
  }
}

TEST(JitterDraws, OrdersAreUniform) {
  const ColorJitter op{.brightness = Range{.6, 1.4}, .contrast = Range{.6, 1.4}, .saturation = Range{.6, 1.4}, .hue = Range{-.1, .1}};
  std::map<std::array<int, 4>, int> orders;
  for (int i = 0; i < kSamples; ++i) {
    const Draw d = drawn([&](Rng& rng, DrawBuilder& b) { draw_color_jitter(op, rng, b); }, i);
    std::array<int, 4> order;
    for (std::size_t k = 0; k < 4; ++k) order[k] = static_cast<int>(kind_of(d.ops[k]));
    ++orders[order];
  }
  std::vector<int> counts;
  for (const auto& [order, n] : orders) counts.push_back(n);
  ASSERT_EQ(counts.size(), 24u);
  EXPECT_LT(chi_square(counts), 70.5);
}

TEST(CropDraws, PositionsOfAPaddedCropAreUniform) {
  std::vector<int> positions(81);
  for (int i = 0; i < kSamples; ++i) {
    Rng rng = stream(i);
    const Roi r = draw_crop({32, 32}, 4, {32, 32}, rng);
    ++positions[static_cast<std::size_t>((r.top + 4) * 9 + r.left + 4)];
  }
  EXPECT_LT(chi_square(positions), 155.1);
}

TEST(AffineDraws, TranslationsAreRoundedUniforms) {
  std::map<int, int> counts;
  const RandomAffine op{.translate = {{0.1, 0.1}}};
  for (int i = 0; i < kSamples; ++i) {
    Rng rng = stream(i);
    ++counts[static_cast<int>(draw_affine(op, {28, 28}, rng).translate_x)];
  }
  for (int k = -3; k <= 3; ++k) expect_share(counts[k] / double(kSamples), std::abs(k) == 3 ? .05357 : .17857);
}

TEST(AffineDraws, PartsAreDrawnInTorchvisionsOrderAndAbsentOnesNotAtAll) {
  Prepared numbers;
  numbers.uniforms = {0.75, 0.5, 1.0, 0.25, 0.5, 0.75};
  const RandomAffine op{.degrees = {-10, 10}, .translate = {{0.5, 0.25}}, .scale = Range{1, 2}, .shear = {-8, 8, -4, 4}};
  const TorchvisionAffine p = draw_affine(op, {40, 40}, numbers);
  EXPECT_EQ(p.angle, 5);
  EXPECT_EQ(p.translate_x, 0);
  EXPECT_EQ(p.translate_y, 10);
  EXPECT_EQ(p.scale, 1.25);
  EXPECT_EQ(p.shear_x, 0);
  EXPECT_EQ(p.shear_y, 2);
  numbers.uniforms = {0.5};
  EXPECT_EQ(draw_affine({.degrees = {-10, 10}}, {40, 40}, numbers).angle, 0);
}

struct ResizedCropRow {
  Size size;
  double at_once, fallback, area, area_sd, p5, p50, p95, log_mean, log_sd, w, h;
};
class ResizedCropDraws : public testing::TestWithParam<ResizedCropRow> {};

TEST_P(ResizedCropDraws, BoxesFollowTheTable) {
  const ResizedCropRow& row = GetParam();
  constexpr int n = 200000;  // Tolerances of the table are for a million; these for a fifth of it.
  int once = 0, fallback = 0;
  Moments area, logs, w, h;
  std::vector<double> areas;
  for (int i = 0; i < n; ++i) {
    Rng rng = stream(i);
    const ResizedCropBox box = draw_resized_crop({0.08, 1}, {3. / 4, 4. / 3}, row.size, rng);
    ASSERT_TRUE(box.roi.left >= 0 && box.roi.top >= 0 && box.roi.left + box.roi.width <= row.size.width &&
                box.roi.top + box.roi.height <= row.size.height);
    once += box.attempts == 1 && !box.fallback;
    fallback += box.fallback;
    if (box.fallback) continue;
    const double share = double(box.roi.width) * box.roi.height / (double(row.size.width) * row.size.height);
    area.add(share);
    areas.push_back(share);
    logs.add(std::log(double(box.roi.width) / box.roi.height));
    w.add(box.roi.width);
    h.add(box.roi.height);
  }
  std::sort(areas.begin(), areas.end());
  const auto quantile = [&](double q) { return areas[static_cast<std::size_t>(q * static_cast<double>(areas.size()))]; };
  EXPECT_NEAR(once / double(n), row.at_once, 0.005);
  EXPECT_NEAR(fallback / double(n), row.fallback, 0.005);
  EXPECT_NEAR(area.mean(), row.area, 0.004);
  EXPECT_NEAR(area.sd(), row.area_sd, 0.004);
  EXPECT_NEAR(quantile(.05), row.p5, 0.004);
  EXPECT_NEAR(quantile(.5), row.p50, 0.005);
  EXPECT_NEAR(quantile(.95), row.p95, 0.005);
  EXPECT_NEAR(logs.mean(), row.log_mean, 0.003);
  EXPECT_NEAR(logs.sd(), row.log_sd, 0.003);
  EXPECT_NEAR(w.mean() / row.w, 1, 0.006);
  EXPECT_NEAR(h.mean() / row.h, 1, 0.006);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ResizedCropDraws,
                         testing::Values(ResizedCropRow{{500, 375}, .741, 1e-6, .433, .216, .114, .422, .811, .031, .164, 281.8, 270.1},
                                         ResizedCropRow{{224, 224}, .862, 0, .480, .234, .120, .476, .857, 0, .160, 150.2, 150.2},
                                         ResizedCropRow{{32, 32}, .885, 0, .490, .240, .118, .488, .878, 0, .161, 21.7, 21.7},
                                         ResizedCropRow{{1000, 200}, .134, .235, .147, .043, .086, .142, .225, .045, .161, 174.5, 165.4}));

TEST(EraseDraws, BoxesFollowTheLaw) {
  const RandomErasing op{.p = 0.25, .value = RandomErasing::Value::per_pixel};
  Moments area;
  std::vector<double> areas;
  int erased = 0;
  constexpr int n = 4 * kSamples;
  for (int i = 0; i < n; ++i) {
    const Draw d = drawn([&](Rng& rng, DrawBuilder& b) { draw_erasing(op, rng, b); }, i);
    erased += d.count > 0;
    if (d.count == 0) continue;
    area.add(d.ops[0].parameters[2] * d.ops[0].parameters[3] / (224.0 * 224));
    areas.push_back(d.ops[0].parameters[2] * d.ops[0].parameters[3] / (224.0 * 224));
  }
  std::sort(areas.begin(), areas.end());
  expect_share(erased / double(n), 0.25, n);
  EXPECT_NEAR(area.mean(), .1759, 5 * .0901 / std::sqrt(area.n));
  EXPECT_NEAR(area.sd(), .0901, .002);
  EXPECT_NEAR(areas[areas.size() / 2], .1758, .003);
  EXPECT_NEAR(areas[areas.size() / 20], .0356, .002);
  EXPECT_NEAR(areas[areas.size() * 19 / 20], .3165, .002);
  EXPECT_GT(areas.front(), .019);
  EXPECT_LT(areas.back(), .337);
}

TEST(EraseDraws, NoiseIsNormal) {
  const RowFormat format{.channels = 3, .height = 224, .width = 224};
  std::vector<float> picture(format.elements());
  Rng noise = stream(5);
  erase(picture.data(), format, {0, 0, 224, 224}, RandomErasing::Value::per_pixel, noise);
  double sum = 0, squares = 0, fourth = 0;
  for (const double v : picture) sum += v, squares += v * v, fourth += v * v * v * v;
  const double n = static_cast<double>(picture.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
}

TEST(Streams, OfDifferentKeysAreUncorrelated) {
  const auto correlation = [](auto&& other) {
    double sum = 0;
    for (int i = 0; i < kSamples; ++i) {
      Rng a = stream(i), b = other(i);
      sum += (a.uniform() - 0.5) * (b.uniform() - 0.5) * 12;
    }
    return std::abs(sum / kSamples);
  };
  const double limit = 5 / std::sqrt(kSamples);
  EXPECT_LT(correlation([](int i) { return stream(i + 1); }), limit);
  EXPECT_LT(correlation([](int i) { return stream(i, 1); }), limit);
  EXPECT_LT(correlation([](int i) { return Rng({.seed = 20240607, .epoch = 4, .sample = static_cast<std::uint64_t>(i)}); }), limit);
  EXPECT_GT(correlation([](int i) { return stream(i); }), 0.9);
}

}  // namespace
}  // namespace millrace::augment
