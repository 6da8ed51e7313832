#include "experiments/profile_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Everything measured a little faster than its parts, in so many rounds alike.
Profile lucky(int rounds) {
  const auto reading = [&](double value) { return Reading::of(std::vector<double>(std::size_t(rounds), value)); };
  LegsMeasured legs;
  legs.rounds = rounds;
  legs.wall_seconds = 1;
  LegReadings& r = legs.readings;
  r.cores = 2;
  r.batch = 10;
  r.loader = reading(1000);
  r.transfer = reading(1e6);
  r.compute = r.reduced = reading(500);
  r.everything = reading(520);
  r.replayed = reading(510);
  r.loader_cpu = r.reduced_cpu = reading(1e-4);
  r.cores_there = reading(2);
  r.waited = reading(0);
  legs.loader.stages.push_back({Stage::augment, {}});
  StageStats& s = legs.loader.stages.back().stats;
  s.messages = s.images = 10;
  s.busy_seconds = 5e-3;
  s.histogram[40] = 10;
  return profile_of({}, std::move(legs));
}

TEST(ProfilePage, NeverSaysMoreThanTheWholeWithoutCallingItNoise) {
  const std::string text = profile_text(lucky(7));
  EXPECT_THAT(text, HasSubstr("utilisation   100 % (104.0 % by the readings, which is noise) of the time"));
  EXPECT_THAT(text, HasSubstr("100 % (104.0 % by the readings, which is noise) of it (overlap efficiency)"));
}

TEST(ProfilePage, HasNoNegativeStallsNorGaps) {
  const std::string text = profile_text(lucky(7));
  EXPECT_THAT(text, HasSubstr("prep stall    0 us an image, 0.0 % of the time"));
  EXPECT_THAT(text, HasSubstr("no gap to it"));
}

TEST(ProfilePage, HasNoIntervalOfOneReading) {
  const std::string one = profile_text(lucky(1)), three = profile_text(lucky(3)), seven = profile_text(lucky(7));
  EXPECT_THAT(one, AllOf(Not(HasSubstr("520.0-520.0")), Not(HasSubstr("95 % interval"))));
  EXPECT_THAT(three, AllOf(HasSubstr("520.0-520.0"), HasSubstr("range"), Not(HasSubstr("95 % interval"))));
  EXPECT_THAT(seven, HasSubstr("95 % interval"));
}

TEST(ProfilePage, GivesTheBoundsOfAHistogramAsBounds) {
  EXPECT_THAT(profile_text(lucky(7)), testing::ContainsRegex("augment +[0-9.]+ +100.0 +< [0-9.,]+ +< [0-9.,]+ +< [0-9.,]+"));
}

TEST(ProfilePage, NamesNoGainWithinTheSpread) { EXPECT_THAT(profile_text(lucky(1)), testing::ContainsRegex("an infinitely fast loader +510.0 +none found")); }

}  // namespace
}  // namespace millrace
