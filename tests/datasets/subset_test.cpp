#include "datasets/subset.h"

#include <gmock/gmock.h>
#include <numeric>

#include "datasets/digits.h"
#include "fixture.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Source> twenty() { return open_digits({.size = 20}); }

std::int64_t label(const Source& source, std::uint64_t index) {
  Buffer scratch;
  return source.read(index, scratch)->label;
}

TEST(NumpyPermutation, IsTheOneOfThePublishedStudy) {
  // numpy.random.RandomState(42).permutation(60000); check values of study esd-ddp.
  const auto order = numpy_legacy_permutation(60'000, 42);
  EXPECT_THAT(std::vector(order.begin(), order.begin() + 8), ElementsAre(12628, 37730, 39991, 8525, 8279, 51012, 14871, 15127));
  EXPECT_EQ(order[29'999], 49'026u);
  EXPECT_EQ(std::accumulate(order.begin(), order.begin() + 30'000, std::uint64_t{0}), 900'405'120u);
}

TEST(NumpyPermutation, OfNothingAndOfOneIsTrivial) {
  EXPECT_TRUE(numpy_legacy_permutation(0, 1).empty());
  EXPECT_THAT(numpy_legacy_permutation(1, 1), ElementsAre(0));
}

TEST(Subset, FirstSamplesComeInTheOriginalOrder) {
  const auto whole = twenty(), part = open_subset(twenty(), {.count = 5});
  ASSERT_EQ(part->size(), 5u);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(label(*part, i), label(*whole, i));
}

TEST(Subset, ListedSamplesComeInTheListsOrder) {
  const auto whole = twenty(), part = open_subset(twenty(), {.indices = {19, 3, 3, 7}, .count = 3});
  ASSERT_EQ(part->size(), 3u);
  EXPECT_EQ(label(*part, 0), label(*whole, 19));
  EXPECT_EQ(part->origin(2), whole->origin(3));
}

TEST(Subset, FingerprintDependsOnIndicesAndOnTheInnerSet) {
  const std::string first = open_subset(twenty(), {.indices = {1, 2}})->info().fingerprint;
  EXPECT_EQ(first, open_subset(twenty(), {.indices = {1, 2, 3}, .count = 2})->info().fingerprint);
  EXPECT_NE(first, open_subset(twenty(), {.indices = {2, 1}})->info().fingerprint);
  EXPECT_NE(first, open_subset(open_digits({.size = 21}), {.indices = {1, 2}})->info().fingerprint);
}

TEST(Subset, AFaultCarriesTheSubsetsIndex) {
  Buffer scratch;
  EXPECT_EQ(open_subset(twenty(), {.count = 5})->read(5, scratch).error().index, 5u);
}

TEST(Subset, BadRequestsAreUsageErrors) {
  const auto error = [](SubsetOptions options) {
    return error_of([&] { open_subset(twenty(), options); }, ErrorKind::usage);
  };
  EXPECT_THAT(error({.count = 0}), HasSubstr("without samples"));
  EXPECT_THAT(error({.count = 21}), HasSubstr("21 samples of digits, which has 20"));
  EXPECT_THAT(error({.indices = {0, 20}}), HasSubstr("entry 1 of a subset is sample 20, but digits has 20"));
}

}  // namespace
}  // namespace millrace
