#include "train/device_wait.h"

#include <gmock/gmock.h>

#include "pipeline/error.h"
#include "train/collective.h"

namespace millrace::train {
namespace {

using testing::ElementsAre;

/// Ranks of which only this one is here, and whose verdict comes at the `verdict`-th question.
class Watched final : public Collective {
 public:
  int verdict = -1;
  std::vector<double> asked;

  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::string name() const override { return "watched"; }
  std::vector<std::string> all_gather(const std::string& words) override { return {words, words}; }
  void barrier() override {}
  void abort(const std::string&) noexcept override {}
  bool on_gpu() const override { return false; }
  void all_reduce_sum(at::Tensor) override {}
  void broadcast(at::Tensor, int) override {}
  void check(double waited_seconds) override {
    asked.push_back(waited_seconds);
    if (static_cast<int>(asked.size()) == verdict) throw Error(ErrorKind::communication, "rank 1 is gone");
  }
};

TEST(DeviceWait, AsksTheRanksAgainAndAgain) {
  Watched ranks;
  int left = 50;
  wait_for_device(&ranks, [&] { return --left == 0; });
  EXPECT_EQ(ranks.asked.size(), 50u);
  EXPECT_TRUE(std::ranges::is_sorted(ranks.asked.begin(), ranks.asked.end() - 1));
}

TEST(DeviceWait, EndsWithTheVerdictWhileTheDeviceHangs) {
  Watched ranks;
  ranks.verdict = 20;
  EXPECT_THROW(wait_for_device(&ranks, [] { return false; }), Error);
}

TEST(DeviceWait, DoesNotTrustAKernelThatAnAbortHasEnded) {
  Watched ranks;
  ranks.verdict = 1;
  EXPECT_THROW(wait_for_device(&ranks, [] { return true; }), Error);
}

TEST(DeviceWait, OneThatIsOverIsNoWait) {
  Watched ranks;
  wait_for_device(&ranks, [] { return true; });
  EXPECT_THAT(ranks.asked, ElementsAre(0.0));
}

TEST(DeviceWait, AnOnlyRankWaitsForItsDeviceAlone) {
  int left = 3;
  wait_for_device(nullptr, [&] { return --left == 0; });
  EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace millrace::train
