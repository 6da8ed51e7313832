#include "tests/checkpoint/checkpoint_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

TEST_F(Checkpoints, WhatIsWrittenIsRead) {
  const std::string path = write(12);
  EXPECT_EQ(fs::path(path).filename(), "step-000000012");
  const Checkpoint read = read_checkpoint(path);
  EXPECT_TRUE(holds(read, 12));
  ASSERT_EQ(read.own_of(1).size(), 1u);
  EXPECT_EQ(read.own_of(1)[0].name, "bn.running_mean");
  EXPECT_TRUE(read.own_of(0).empty());
  EXPECT_EQ(names(), (std::vector<std::string>{"step-000000012"}));
}

TEST_F(Checkpoints, TheSameStateGivesTheSameBytes) {
  const std::string path = write(3);
  std::vector<std::string> first;
  for (const char* file : kCheckpointFiles) first.push_back(bytes(path + "/" + file));
  ASSERT_EQ(write(3), path);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(bytes(path + "/" + kCheckpointFiles[i]), first[i]);
}

TEST_F(Checkpoints, AnyFlippedByteIsSeenAndTheOneBeforeIsTaken) {
  write(1);
  const std::string path = write(2);
  for (const char* name : kCheckpointFiles) {
    const std::string file = path + "/" + name, whole = bytes(file);
    ASSERT_FALSE(whole.empty());
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int mask : {0x01, 0x20}) {
        std::string flipped = whole;
        flipped[i] = static_cast<char>(flipped[i] ^ mask);
        put(file, flipped);
        ASSERT_EQ(newest(), 1) << name << " byte " << i << " mask " << mask;
        ASSERT_EQ(passed_over_.size(), 1u);
        ASSERT_TRUE(passed_over_[0].starts_with(path)) << passed_over_[0];
      }
    put(file, whole);
  }
  EXPECT_EQ(newest(), 2);
}

TEST_F(Checkpoints, AFileCutAtAnyLengthOrGrownIsSeenAndTheOneBeforeIsTaken) {
  write(1);
  const std::string path = write(2);
  for (const char* name : kCheckpointFiles) {
    const std::string file = path + "/" + name, whole = bytes(file);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      put(file, whole.substr(0, n));
      ASSERT_EQ(newest(), 1) << name << " cut to " << n;
    }
    put(file, whole + whole.back());
    ASSERT_EQ(newest(), 1) << name << " grown";
    fs::remove(file);
    ASSERT_EQ(newest(), 1) << name << " missing";
    fs::create_directory(file);
    ASSERT_EQ(newest(), 1) << name << " is a folder";
    fs::remove(file);
    put(file, whole);
  }
  EXPECT_EQ(newest(), 2);
}

TEST_F(Checkpoints, FilesOfTwoCheckpointsMixedAreSeen) {
  const std::string one = write(1), two = write(2);
  for (const char* name : kCheckpointFiles) {
    const std::string mine = bytes(two + "/" + name);
    put(two + "/" + name, bytes(one + "/" + name));
    EXPECT_EQ(newest(), 1) << name;
    put(two + "/" + name, mine);
  }
}

TEST_F(Checkpoints, OtherNamesAreNoCheckpoints) {
  EXPECT_TRUE(checkpoints_in(parent()).empty());
  write(5);
  for (const char* name : {"step-5", "step-00000000x", "step-", "step-99999999999999999999", ".step-000000009", "best"}) fs::create_directory(parent() + "/" + name);
  put(parent() + "/step-000000007", "a file");
  ASSERT_EQ(checkpoints_in(parent()).size(), 1u);
  EXPECT_EQ(newest(), 5);
}

TEST_F(Checkpoints, TheNewestFewStayAndWhatWasLeftUnfinishedGoes) {
  for (const std::uint64_t step : {10u, 20u, 30u, 40u}) write(step);
  fs::create_directory(parent() + "/.step-000000025");
  put(parent() + "/.step-000000025/weights.safetensors", "half");
  fs::create_directory(parent() + "/.removed-step-000000005");
  put(parent() + "/notes.txt", "somebody's");
  thin_out(parent(), 30, 2, Durable());
  // 40 is of an earlier attempt: it stays until it is replaced.
  EXPECT_EQ(names(), (std::vector<std::string>{"notes.txt", "step-000000020", "step-000000030", "step-000000040"}));
}

TEST_F(Checkpoints, AStateThatIsNotAnObjectOrDeepIsRefused) {
  for (const Json& wrong : {Json::array(), Json("text"), Json(nullptr)}) {
    const train::TrainerState tensors = state(1);
    write_checkpoint(parent(), {1, wrong, &tensors, {}}, Durable());
    EXPECT_EQ(newest(), -1);
  }
  Json deep = Json::object();
  for (int i = 0; i < 100; ++i) deep = {{"a", deep}};
  const train::TrainerState tensors = state(1);
  write_checkpoint(parent(), {1, deep, &tensors, {}}, Durable());
  EXPECT_EQ(newest(), -1);
}

TEST_F(Checkpoints, SumsAreThoseOfXxhsum) {
  if (std::system("xxh128sum --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "xxh128sum is not here";
  const std::string path = write(1);
  EXPECT_EQ(std::system(("cd " + path + " && xxh128sum -c sums.xxh128 >/dev/null").c_str()), 0);
}

}  // namespace
}  // namespace millrace
