#include "pipeline/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace millrace {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of the authors' Random123 distribution, kat_vectors, philox4x32 with 10 rounds.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, UniformIsMadeOfTwoConsecutiveWords) {
  const Words words = philox4x32({0, 0, 0, 0}, {0, 0});
  const double expected = static_cast<double>((std::uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1.0p-53;
  EXPECT_EQ(Rng({}).uniform(), expected);
}

TEST(Rng, EveryPartOfTheKeyGivesAnotherStream) {
  std::vector<std::uint64_t> first;
  for (const RngKey& key : {RngKey{}, RngKey{1}, RngKey{0, 1}, RngKey{0, 0, 1}, RngKey{0, 0, 0, 1}, RngKey{1ull << 32}, RngKey{0, 0, 1ull << 32}})
    first.push_back(Rng(key).next64());
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::adjacent_find(first.begin(), first.end()), first.end());
}

TEST(Rng, BelowIsUniform) {
  Rng rng({.seed = 5});
  std::array<int, 13> seen{};
  constexpr int n = 130000;
  for (int i = 0; i < n; ++i) ++seen[rng.below(13)];
  double chi2 = 0;
  for (int count : seen) chi2 += std::pow(count - n / 13.0, 2) / (n / 13.0);
  EXPECT_LT(chi2, 50.7); // 12 degrees of freedom, the 1e-6 quantile.
}

TEST(Rng, BelowServesMoreThan32Bits) {
  Rng rng({.seed = 6});
  std::uint64_t largest = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = rng.below(std::uint64_t{3} << 40);
    ASSERT_LT(value, std::uint64_t{3} << 40);
    largest = std::max(largest, value);
  }
  EXPECT_GT(largest, std::uint64_t{2} << 40);
}

TEST(Rng, NormalHasTheRightMoments) {
  Rng rng({.seed = 7});
  double m1 = 0, m2 = 0, m4 = 0;
  constexpr int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    m1 += x / n, m2 += x * x / n, m4 += x * x * x * x / n;
  }
  EXPECT_NEAR(m1, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(m2, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(m4, 3, 5 * std::sqrt(96.0 / n));
}

}  // namespace
}  // namespace millrace
