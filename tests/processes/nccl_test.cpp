// The program's ranks with a GPU each, over NCCL, on the device double: how they start, and how they end when something fails. Run by CTest, which preloads the
// double and gives it two devices.
#include "ranks_program_fixture.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class NcclRanks : public RanksOfTheProgram {
 protected:
  NcclRanks() { setenv("CUDA_DOUBLE_DEVICES", "2", 1); }
  ~NcclRanks() override {
    for (const char* name : {"CUDA_DOUBLE_NCCL_STALL", "CUDA_DOUBLE_NCCL_ERROR", "CUDA_DOUBLE_DRIVER", "CUDA_DOUBLE_CAPABILITY", "CUDA_DOUBLE_CONTEXTS"}) unsetenv(name);
  }
  /// The double's kernels compute nothing: a loss may be anything.
  std::string on_gpus(const std::string& more = "steps = 12\n", const char* model = "lenet", const char* device = "auto") {
    return spec(std::string("[data]\nname = \"digits\"\nsubset = 600\nbatch = 60\n[loader]\nworkers = 0\n[train]\nmodel = \"") + model + "\"\ndevice = \"" + device +
                "\"\non_nonfinite = \"go-on\"\n" + more);
  }
  int train(const std::string& path, const char* ranks = "2") { return run({"train", path, "--out", out(), "--ranks", ranks}); }
  /// Ranks 0 and 1, each started by hand with variables of its own; rank 0's exit code and words.
  int by_hand(const std::string& of_zero, const std::string& of_one) {
    const std::string common = " WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(train::port_of(train::listen_at("127.0.0.1", 0))) + " ";
    return shell(of_one + common + "RANK=1 LOCAL_RANK=1 {millrace} train {spec} >/dev/null & " + of_zero + common + "RANK=0 LOCAL_RANK=0 {millrace} train {spec} --out {out}; status=$?; wait; exit $status");
  }
  static constexpr const char* kEndless = "epochs = 100000\nevaluate_every = 0\npeer_timeout = 15\n";
};

TEST_F(NcclRanks, RanksWithAGpuEachAreProcessesOverNccl) {
  ASSERT_EQ(train(on_gpus()), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("2 ranks (nccl: gradients go from GPU to GPU), each cuda:0"));
  EXPECT_EQ(epoch(out())["ranks"][1]["device"].get<std::string>().substr(0, 6), "cuda:1");
}

TEST_F(NcclRanks, RanksThatShareGpusAreThreadsAndSaySo) {
  ASSERT_EQ(train(on_gpus(), "3"), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("3 ranks (local: gradients go through the host's memory), each cuda:0"));
}

TEST_F(NcclRanks, EachMaySeeItsOwnGpuAlone) {
  on_gpus();
  EXPECT_EQ(by_hand("CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=1"), 0) << text("stderr");
  EXPECT_EQ(epoch(out())["ranks"][1]["device"].get<std::string>().substr(0, 6), "cuda:0") << "the only one that it sees";
}

TEST_F(NcclRanks, TwoOnOneGpuAreNamedWithIt) {
  on_gpus();
  EXPECT_EQ(by_hand("CUDA_VISIBLE_DEVICES=1", "CUDA_VISIBLE_DEVICES=1"), 4);
  EXPECT_THAT(text("stderr"), HasSubstr("ranks 0 and 1 are on the same GPU (GPU-"));
}

TEST_F(NcclRanks, OneThatSeesNoGpuIsNamedWithTheReason) {
  on_gpus();
  EXPECT_EQ(by_hand("CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES="), 4);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 1 has no GPU (NVIDIA's driver shows no GPU (CUDA_VISIBLE_DEVICES is '')), where rank 0 has one"));
}

TEST_F(NcclRanks, TheSleepModelTakesNoGpu) {
  setenv("CUDA_DOUBLE_CONTEXTS", "none", 1);
  ASSERT_EQ(run({"train", on_gpus("steps = 12\n", "sleep"), "--out", out(), "--processes", "2"}), 0) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("2 ranks (gloo)"));
}

TEST_F(NcclRanks, AnOldDriverAndAnOldGpuAreOneLineAndAutoSaysWhyItTookTheCpu) {
  for (const auto& [name, value, why] : {std::tuple{"CUDA_DOUBLE_DRIVER", "12020", "is too old: it knows CUDA 12.2"}, {"CUDA_DOUBLE_CAPABILITY", "7.0", "is older than Turing (7.5)"}}) {
    setenv(name, value, 1);
    EXPECT_EQ(run({"train", on_gpus("steps = 2\n"), "--out", out()}), 0) << text("stderr");
    EXPECT_THAT(text("stderr"), AllOf(HasSubstr("device auto: the CPU, since "), HasSubstr(why)));
    EXPECT_EQ(run({"train", on_gpus("steps = 2\n", "lenet", "cuda"), "--out", out()}), 4);
    EXPECT_THAT(text("stderr"), AllOf(HasSubstr("millrace: train.device cuda:0: "), HasSubstr(why)));
    unsetenv(name);
  }
}

TEST_F(NcclRanks, AKilledRankIsNamed) {
  const pid_t parent = start({"train", on_gpus(kEndless), "--out", out(), "--ranks", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  kill(ranks[1], SIGKILL);
  EXPECT_EQ(finish(parent), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 0: rank 1 is gone"));
}

TEST_F(NcclRanks, AStoppedRankIsNamed) {
  const pid_t parent = start({"train", on_gpus(kEndless), "--out", out(), "--ranks", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  kill(ranks[1], SIGSTOP);
  EXPECT_EQ(finish(parent), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 1 has been silent for 15 s"));
}

/// A link that is down from some collective on while all ranks live: in the first copies of weights, in steps, in SyncBN's sums, before an evaluation.
class ALinkThatHangs : public NcclRanks, public testing::WithParamInterface<std::tuple<const char*, const char*>> {};

TEST_P(ALinkThatHangs, EndsTheRunThoughAllRanksLive) {
  const auto [after, more] = GetParam();
  setenv("CUDA_DOUBLE_NCCL_STALL", after, 1);
  EXPECT_EQ(train(on_gpus(std::string("epochs = 2\npeer_timeout = 15\n") + more, "toy-norm")), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("its device has not done its work for 15 s"));
  EXPECT_THAT(text("stderr"), Not(HasSubstr("internal error")));
}

TEST_P(ALinkThatHangs, IsNamedAtOnceWhereNcclReportsIt) {
  const auto [after, more] = GetParam();
  setenv("CUDA_DOUBLE_NCCL_STALL", after, 1);
  setenv("CUDA_DOUBLE_NCCL_ERROR", "6", 1); // ncclRemoteError.
  EXPECT_EQ(train(on_gpus(std::string("epochs = 2\npeer_timeout = 15\n") + more, "toy-norm")), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("NCCL: remote process exited or there was a network error"));
}

INSTANTIATE_TEST_SUITE_P(Nccl, ALinkThatHangs,
                         testing::Values(std::tuple{"0", ""}, std::tuple{"1", ""}, std::tuple{"9", ""}, std::tuple{"7", "norm = \"syncbn\"\n"}, std::tuple{"8", "norm = \"syncbn\"\n"},
                                         std::tuple{"12", "buffers = \"average\"\n"}));

}  // namespace
}  // namespace millrace
