#include "tests/cuda_double/program_fixture.h"

// What a step of ranks over NCCL costs, from the reports of a longer and a shorter run: these numbers may not grow.
namespace millrace {
namespace {

class CostsOfRanks : public OnTheDouble {
 protected:
  /// Of a step of one rank: the difference between runs of 30 and of 10 steps.
  std::map<std::string, double> of_a_step(const std::string& train, const std::string& model = "resnet18") {
    gpus(2, "one");
    std::map<std::string, double> longer, shorter;
    for (const int steps : {10, 30}) {
      forget_report();
      trains(on_gpu(train + "evaluate_every = 0\n", "", model), {"--ranks", "2", "--set", "data.batch=4", "--set", "data.subset=" + std::to_string(4 * steps)});
      for (const char* what : {"kernels", "host_syncs", "ncclAllReduce", "ncclBroadcast", "cudaMalloc", "cudaHostAlloc"})
        (steps == 10 ? shorter : longer)[what] = static_cast<double>(report().counted(what));
    }
    for (auto& [what, n] : longer) {
      n = (n - shorter[what]) / 20 / 2;
      std::printf("%-14s %-10s %-16s%.2f a step and rank\n", what.c_str(), model.c_str(), train.substr(0, train.find('\n')).c_str(), n);
    }
    return longer;
  }
};

TEST_F(CostsOfRanks, OfSyncBnAreAFewLaunchesALayerAndNoWaitMore) {
  const auto bn = of_a_step("norm = \"bn\"\n"), sync = of_a_step("norm = \"syncbn\"\n");
  EXPECT_LE(sync.at("kernels"), 231); // 1.5 times what a step with BatchNorm took when gradients were added up one by one.
  EXPECT_LE(bn.at("host_syncs"), 1);
  EXPECT_EQ(sync.at("host_syncs"), bn.at("host_syncs"));
}

TEST_F(CostsOfRanks, OfPerParameterSumsAreACallEachAndNoWaitMore) {
  const auto costs = of_a_step("sync = \"per-parameter\"\n", "mobilenetv3_small");
  EXPECT_LE(costs.at("ncclAllReduce"), 143); // 142 parameters, and the tally with the last.
  EXPECT_LE(costs.at("host_syncs"), 1);
}

}  // namespace
}  // namespace millrace
