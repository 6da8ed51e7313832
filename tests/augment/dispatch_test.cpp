#include "augment/dispatch.h"

#include <gtest/gtest.h>

namespace millrace::augment {
namespace {

TEST(Dispatch, AForcedLevelIsTheActiveOneUntilItEnds) {
  const Level best = active_level();
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
    if (!supports(level)) continue;
    {
      const ForcedLevel forced(level);
      EXPECT_EQ(active_level(), level) << name_of(level);
    }
    EXPECT_EQ(active_level(), best);
  }
  EXPECT_TRUE(supports(best));
}

}  // namespace
}  // namespace millrace::augment
