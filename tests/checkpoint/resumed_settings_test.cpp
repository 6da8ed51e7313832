// What a run may do without, or otherwise, where it goes on from a checkpoint; and what it says of it.
#include <gmock/gmock.h>

#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

class ResumedProgram : public Program {
 protected:
  std::string small(const std::string& more = "") {
    return spec("[data]\nname = \"digits\"\nsubset = 64\nbatch = 32\n[train]\nmodel = \"toy\"\nthreads = 1\nevaluate_every = 0\ncheckpoint_every = 1\n" + more);
  }
  int train(const std::string& file, std::vector<std::string> more) {
    std::vector<std::string> all{"train", file, "--out", out(), "--resume", "auto"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
};

TEST_F(ResumedProgram, NeedsNoFileThatTheWeightsCameFrom) {
  ASSERT_EQ(train(small(), {}), 0) << text("stderr");
  const std::filesystem::path weights = folder_ / "first.safetensors";
  std::filesystem::copy_file(std::filesystem::path(out()) / "checkpoints/step-000000002/weights.safetensors", weights);
  std::filesystem::remove_all(out());
  const std::string from = "train.weights=" + weights.string();
  ASSERT_EQ(train(small(), {"--set", from}), 0) << text("stderr");
  std::filesystem::remove(weights);
  EXPECT_EQ(train(small(), {"--set", from, "--set", "train.epochs=2"}), 0) << text("stderr");
  EXPECT_EQ(train(small(), {"--set", "train.epochs=3"}), 0) << text("stderr");
}

TEST_F(ResumedProgram, MayTakeABadSampleOtherwise) {
  ASSERT_EQ(train(small(), {}), 0) << text("stderr");
  EXPECT_EQ(train(small(), {"--set", "train.epochs=2", "--set", "loader.on_bad_sample=skip", "--set", "loader.max_bad=3"}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("resumed with loader.on_bad_sample \"skip\" (was \"fail\")"));
}

TEST_F(ResumedProgram, CountsRanksAndNotHowTheyWereStarted) {
  setenv("GLOO_SOCKET_IFNAME", "lo", 1);
  ASSERT_EQ(train(small(), {"--processes", "2"}), 0) << text("stderr");
  ASSERT_EQ(train(small(), {"--ranks", "2", "--set", "train.epochs=2"}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), Not(HasSubstr("ranks 2 (was")));
  ASSERT_EQ(train(small(), {"--set", "train.epochs=3"}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("resumed with 1 rank (was 2)"));
}

}  // namespace
}  // namespace millrace
