#include "tests/cuda_double/program_fixture.h"

// Ranks, each with a GPU of its own (processes over NCCL) or several on one (threads).
namespace millrace {
namespace {

using testing::HasSubstr;

class RanksOnTheDouble : public OnTheDouble {
 protected:
  /// Ranks with a GPU each, none of which touches another's.
  Json over_nccl(int ranks, const std::string& train, const std::string& data = "", const std::string& model = "toy-norm") {
    gpus(ranks, "one");
    const std::uint64_t before = report().counted("ncclAllReduce");
    const Json epoch = trains(on_gpu(train, data, model), {"--ranks", std::to_string(ranks)});
    EXPECT_EQ(epoch["images"], 100);
    EXPECT_EQ(epoch["ranks"].size(), static_cast<std::size_t>(ranks));
    EXPECT_GT(report().counted("ncclAllReduce"), before);
    return epoch;
  }
};

TEST_F(RanksOnTheDouble, ThreadsShareOneGpu) {
  gpus(1, "0");
  for (const char* ranks : {"2", "3", "8"}) EXPECT_EQ(trains(on_gpu("", "", "lenet"), {"--ranks", ranks})["images"], 100);
}

TEST_F(RanksOnTheDouble, ThreadsShareTwoGpus) {
  gpus(2, "0,1");
  EXPECT_EQ(trains(on_gpu("", "", "lenet"), {"--ranks", "3"})["ranks"].size(), 3u);
}

TEST_F(RanksOnTheDouble, ProcessesTrainOnTwoAndFourAndEightGpus) {
  for (const int ranks : {2, 4, 8}) over_nccl(ranks, "", "", "lenet");
}

TEST_F(RanksOnTheDouble, EveryModelTrainsOverNccl) {
  for (const char* model : {"toy", "resnet18", "wide_resnet", "mobilenetv3_small"}) over_nccl(2, "widen = 1\nprecision = \"bf16\"\n", "", model);
}

TEST_F(RanksOnTheDouble, EveryWayOfSumsAndBuffersRuns) {
  for (const char* way : {"norm = \"syncbn\"\n", "sync = \"per-parameter\"\n", "buffers = \"average\"\n", "buffers = \"per-rank\"\n", "accumulate = 3\n",
                          "precision = \"fp16\"\nclip_norm = 1\nlabel_smoothing = 0.1\noptimizer = \"adam\"\n", "optimizer = \"novograd\"\n"}) {
    SCOPED_TRACE(way);
    over_nccl(2, way);
  }
  over_nccl(2, "norm = \"syncbn\"\naccumulate = 2\nsync = \"per-parameter\"\n", "dtype = \"u8\"\n");
}

TEST_F(RanksOnTheDouble, ThreadsRunEveryWayToo) {
  gpus(1, "0");
  for (const char* way : {"norm = \"syncbn\"\n", "sync = \"per-parameter\"\n", "buffers = \"average\"\naccumulate = 2\n", "precision = \"fp16\"\nclip_norm = 1\n"}) {
    SCOPED_TRACE(way);
    EXPECT_EQ(trains(on_gpu(way), {"--ranks", "2"})["images"], 100);
  }
}

TEST_F(RanksOnTheDouble, ATailOfFewerRowsThanRanksIsTrainedOn) {
  gpus(8, "one");
  EXPECT_EQ(trains(on_gpu(""), {"--ranks", "8", "--set", "data.subset=67"})["images"], 67);
}

TEST_F(RanksOnTheDouble, ARunGoesOnFromItsCheckpoint) {
  gpus(2, "one");
  const std::string path = on_gpu("epochs = 2\ncheckpoint_every_steps = 3\nbuffers = \"per-rank\"\n");
  trains(path, {"--ranks", "2"});
  EXPECT_EQ(run({"train", path, "--out", out(), "--ranks", "2", "--set", "train.epochs=3", "--resume", "auto"}), 0) << text("stderr");
  EXPECT_EQ(read_records(out(), true).back()["outcome"], "complete");
}

TEST_F(RanksOnTheDouble, MemoryThatRunsOutOnOneRankIsNamedByAll) {
  gpus(2, "one");
  machine("CUDA_DOUBLE_FAULTS", "cudaMalloc#1:3+");
  EXPECT_EQ(run({"train", on_gpu("peer_timeout = 20\n", "", "resnet18"), "--out", out(), "--ranks", "2"}), 4) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("rank 1"));
  EXPECT_THAT(text("stderr"), HasSubstr("memory"));
}

TEST_F(RanksOnTheDouble, AnErrorThatACallOfNcclReturnsEndsTheRun) {
  gpus(2, "one");
  machine("CUDA_DOUBLE_FAULTS", "ncclAllReduce:9=2");
  EXPECT_EQ(run({"train", on_gpu("peer_timeout = 20\nepochs = 5\n"), "--out", out(), "--ranks", "2"}), 5) << text("stderr");
  EXPECT_THAT(text("stderr"), HasSubstr("NCCL: "));
}

TEST_F(RanksOnTheDouble, ALinkOfOneRankThatIsDownEndsTheRun) {
  gpus(2, "one");
  machine("CUDA_DOUBLE_NCCL_STALL", "9");
  machine("CUDA_DOUBLE_NCCL_STALL_RANK", "1");
  EXPECT_EQ(run({"train", on_gpu("peer_timeout = 3\nepochs = 5\n"), "--out", out(), "--ranks", "2"}), 5) << text("stderr");
}

TEST_F(RanksOnTheDouble, ASignalStopsAllOfThem) {
  gpus(2, "one");
  const pid_t child = start({"train", on_gpu("epochs = 100000\nevaluate_every = 0\n"), "--out", out(), "--ranks", "2"});
  ASSERT_TRUE(says("epoch 1:")) << text("stderr");
  kill(child, SIGTERM);
  EXPECT_EQ(finish(child), 143) << text("stderr");
}

}  // namespace
}  // namespace millrace
