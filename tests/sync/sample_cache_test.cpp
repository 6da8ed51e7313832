#include "pipeline/sample_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace millrace {
namespace {

std::vector<std::uint8_t> file_of(std::uint64_t index, std::size_t size) {
  std::vector<std::uint8_t> file(size);
  for (std::size_t i = 0; i < size; ++i) file[i] = static_cast<std::uint8_t>(index * 31 + i);
  return file;
}

bool holds(const CachedSample& kept, std::uint64_t index, std::size_t size) {
  const auto expected = file_of(index, size);
  return kept.bytes == size && kept.label == static_cast<std::int64_t>(index) && std::memcmp(kept.data, expected.data(), size) == 0;
}

TEST(SampleCache, GivesBackWhatWasKept) {
  SampleCache cache(3, 1 << 20);
  EXPECT_EQ(cache.find(1), nullptr);
  EXPECT_NE(cache.keep(1, 1, file_of(1, 1000)), nullptr);
  ASSERT_NE(cache.find(1), nullptr);
  EXPECT_TRUE(holds(*cache.find(1), 1, 1000));
  EXPECT_EQ(cache.find(0), nullptr);
  EXPECT_EQ(cache.count(), 1u);
}

TEST(SampleCache, KeepsAPictureWithoutTheGapsBetweenItsRows) {
  const std::uint8_t padded[] = {1, 2, 3, 0, 4, 5, 6, 0};
  SampleCache cache(1, 1 << 20);
  const CachedSample* kept = cache.keep(0, 7, ImageView{padded, 1, 2, 3, 4});
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->size, (Size{1, 2}));
  EXPECT_EQ(std::vector<std::uint8_t>(kept->data, kept->data + 6), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
}

TEST(SampleCache, NeverTakesMoreThanItsBound) {
  constexpr std::uint64_t kBound = 10'000'000;
  SampleCache cache(10'000, kBound);
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) kept += cache.keep(i, 0, file_of(i, 3000 + i % 500)) != nullptr;
  EXPECT_LE(cache.bytes(), kBound);
  EXPECT_GT(cache.bytes(), kBound * 95 / 100);
  EXPECT_EQ(cache.count(), kept);
  EXPECT_GT(kept * 3250, kBound * 9 / 10);
}

TEST(SampleCache, ASampleLargerThanABlockHasOneOfItsOwn) {
  SampleCache cache(4, 32 << 20);
  EXPECT_NE(cache.keep(0, 0, file_of(0, 1000)), nullptr);
  EXPECT_NE(cache.keep(1, 1, file_of(1, 9 << 20)), nullptr);
  EXPECT_NE(cache.keep(2, 2, file_of(2, 1000)), nullptr);
  EXPECT_TRUE(holds(*cache.find(1), 1, 9 << 20));
  EXPECT_TRUE(holds(*cache.find(2), 2, 1000));
  EXPECT_LE(cache.bytes(), (4u << 20) + (9u << 20) + 4096u);
}

TEST(SampleCache, WhatDoesNotFitIsRefusedAndSmallerOnesStillCome) {
  SampleCache cache(3, 100'000);
  EXPECT_EQ(cache.keep(0, 0, file_of(0, 200'000)), nullptr);
  EXPECT_TRUE(cache.full_for(200'000));
  EXPECT_FALSE(cache.full_for(1000));
  EXPECT_NE(cache.keep(1, 1, file_of(1, 1000)), nullptr);
  EXPECT_EQ(cache.find(0), nullptr);
}

TEST(SampleCache, ABoundBelowTheTableOfSamplesKeepsNothing) {
  SampleCache cache(1000, 100);
  EXPECT_EQ(cache.keep(0, 0, file_of(0, 10)), nullptr);
}

TEST(SampleCache, ManyThreadsKeepEachSampleOnceAndFindItWhole) {
  constexpr std::uint64_t kSamples = 500;
  SampleCache cache(kSamples, 1 << 20);
  std::atomic<std::uint64_t> kept{0}, wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t n = 0; n < 4 * kSamples; ++n) {
        const std::uint64_t index = (n * 7 + t * 13) % kSamples;
        const CachedSample* found = cache.find(index);
        if (!found && (found = cache.keep(index, static_cast<std::int64_t>(index), file_of(index, 1000 + index)))) ++kept;
        if (found && !holds(*found, index, 1000 + index)) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(kept, cache.count());
  EXPECT_GT(kept, kSamples * 9 / 10);
}

}  // namespace
}  // namespace millrace
