// The program as ranks: started by itself, and by the launchers that people have.
#include "ranks_program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(RanksOfTheProgram, ProcessesTrainAsThreadsDo) {
  const std::string path = small();
  const Json threads = by_threads(path, "2");
  ASSERT_EQ(run({"train", path, "--out", out(), "--processes", "2"}), 0) << text("stderr");
  equals(epoch(out()), threads);
  EXPECT_EQ(epoch(out())["ranks"].size(), 2u);
  EXPECT_THAT(text("stderr"), HasSubstr("2 ranks (gloo)"));
  EXPECT_EQ(read_records(out()).size(), 3u) << "run, epoch, end: of rank 0 alone";
}

TEST_F(RanksOfTheProgram, AKilledRankEndsTheRunByName) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  std::this_thread::sleep_for(300ms);
  kill(ranks[1], SIGKILL);
  EXPECT_EQ(finish(parent), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 0: rank 1 is gone"));
  EXPECT_THAT(text("stderr"), HasSubstr("rank 1 was ended by SIGKILL"));
  EXPECT_TRUE(all_gone(ranks));
  EXPECT_EQ(read_records(out()).back()["outcome"], "failed");
}

TEST_F(RanksOfTheProgram, NoRankOutlivesAParentThatIsKilled) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  kill(parent, SIGKILL);
  finish(parent);
  EXPECT_TRUE(all_gone(ranks));
}

TEST_F(RanksOfTheProgram, ASignalStopsAllOfThem) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  std::this_thread::sleep_for(300ms);
  kill(parent, SIGTERM);
  EXPECT_EQ(finish(parent), 143);
  EXPECT_TRUE(all_gone(ranks));
  EXPECT_THAT(text("stderr"), HasSubstr("stopped by SIGTERM"));
}

TEST_F(RanksOfTheProgram, AnErrorInTheSpecIsSaidOnce) {
  EXPECT_EQ(run({"train", small("lrr = 1\n"), "--processes", "4"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("unknown key 'train.lrr'"));
  EXPECT_EQ(text("stderr").find("millrace: "), text("stderr").rfind("millrace: "));
}

TEST_F(RanksOfTheProgram, ARankWithAnotherSpecIsNamedWithTheKey) {
  const std::string path = small();
  const int port = train::port_of(train::listen_at("127.0.0.1", 0));  // Free, a moment ago.
  const std::string common = "WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port);
  EXPECT_EQ(shell(common + " RANK=1 LOCAL_RANK=1 {millrace} train {spec} --set train.lr=0.5 2>&1 >/dev/null & " + common +
                  " RANK=0 LOCAL_RANK=0 {millrace} train {spec} --out {out}; status=$?; wait; exit $status"),
            5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 0: rank 1 differs in train.lr: 0.5, where rank 0 has 0.01"));
}

TEST_F(RanksOfTheProgram, HalfSetVariablesAreOneLine) {
  small();
  EXPECT_EQ(shell("WORLD_SIZE=2 RANK=0 {millrace} train {spec}"), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("millrace: RANK and WORLD_SIZE: LOCAL_RANK is not set"));
}

TEST_F(RanksOfTheProgram, OtherCommandsAreNotForRanks) {
  small();
  EXPECT_EQ(shell("WORLD_SIZE=2 RANK=0 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=1234 {millrace} bench loader {spec}"), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("only 'millrace train' runs on ranks"));
}

TEST_F(RanksOfTheProgram, TorchrunStartsItUnchanged) {
  const std::string torchrun = MILLRACE_TORCHRUN;
  if (!runs_shell(torchrun + " --help >/dev/null 2>&1")) GTEST_SKIP() << "no torchrun: Python has no torch";
  const Json threads = by_threads(small(), "2");
  ASSERT_EQ(shell(torchrun + " --no-python --nproc-per-node=2 --standalone {millrace} train {spec} --out {out}"), 0) << text("stderr");
  equals(epoch(out()), threads);
}

TEST_F(RanksOfTheProgram, MpirunStartsItUnchanged) {
  if (!runs_shell("mpirun --version >/dev/null 2>&1")) GTEST_SKIP() << "no mpirun: apt-get install openmpi-bin";
  const Json threads = by_threads(small(), "2");
  ASSERT_EQ(shell("mpirun --allow-run-as-root --oversubscribe -np 2 {millrace} train {spec} --out {out}"), 0) << text("stderr");
  equals(epoch(out()), threads);
}

TEST_F(RanksOfTheProgram, TwoHostsOverAShapedLinkTrainAsThreadsDo) {
  const Json threads = by_threads(small(), "2");
  const int status = shell("bash " MILLRACE_SOURCE_DIR "/tests/processes/two_namespaces.sh 200mbit {millrace} train {spec} --out {out}");
  if (status == 77) GTEST_SKIP() << "no network namespaces: not root, or no ip, tc or veth";
  ASSERT_EQ(status, 0) << text("stderr");
  equals(epoch(out()), threads);
}

}  // namespace
}  // namespace millrace
