// What u8 rows and SyncBN cost a step on a GPU, counted on the CUDA double, and a capture without memory.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <map>
#include <thread>

#include "tests/train/trainer_fixture.h"

namespace millrace::testing {
namespace {

using ::testing::HasSubstr;

std::uint64_t counted(const char* what) {
  static const auto ask = reinterpret_cast<std::uint64_t (*)(const char*)>(dlsym(RTLD_DEFAULT, "cuda_double_counted"));
  if (!ask) throw std::runtime_error("these tests run on the CUDA double: ctest -L cuda-double");
  return ask(what);
}
std::map<std::string, double> counts() {
  std::map<std::string, double> all;
  for (const char* what : {"kernels", "host_syncs", "event_waits", "copies_d2h", "cudaHostAlloc"}) all[what] = static_cast<double>(counted(what));
  return all;
}

train::TrainOptions on_gpu(const std::string& model, int side = 32) {
  auto options = options_for(model, "cuda");
  if (model != "lenet") options.input = {3, side, side, Dtype::f32, Layout::nchw};
  return options;
}

/// What each of 20 steps costs, of all `trainers`, which step together: the difference between 5 steps and 25.
std::map<std::string, double> cost_of_a_step(const std::vector<train::Trainer*>& trainers, const RowFormat& format) {
  std::vector<std::unique_ptr<MemoryStream>> streams;
  for (std::size_t r = 0; r < trainers.size(); ++r) streams.push_back(std::make_unique<MemoryStream>(format, 8, 60, 1, millrace_train_api()->page_locked_memory()));
  const auto run = [&](std::uint64_t steps) {
    const auto before = counts();
    std::vector<std::jthread> threads;
    for (std::size_t r = 0; r < trainers.size(); ++r) threads.emplace_back([&, r] { trainers[r]->train_epoch(*streams[r], {}, {}, steps); });
    threads.clear();
    auto spent = counts();
    for (auto& [what, n] : spent) n -= before.at(what);
    return spent;
  };
  run(5); // Libraries choose and allocate.
  const auto few = run(5);
  auto cost = run(25);
  for (auto& [what, n] : cost) n = (n - few.at(what)) / 20;
  return cost;
}
std::map<std::string, double> cost_of_a_step(const train::TrainOptions& options) {
  const auto trainer = make(options);
  return cost_of_a_step({trainer.get()}, options.input);
}

TEST(StepOnAGpu, OfU8RowsLaunchesThreeKernelsMore) {
  auto options = on_gpu("lenet");
  options.input.dtype = Dtype::u8;
  options.mean = {0.1307}, options.std = {0.3081};
  const double bytes = cost_of_a_step(options)["kernels"];
  options.input.dtype = Dtype::f32;
  EXPECT_EQ(bytes, cost_of_a_step(options)["kernels"] + 3); // Divided, less the mean, divided.
}

/// The worlds of two ranks with a GPU each, over NCCL, within this process.
std::vector<std::shared_ptr<train::World>> two_nccl_ranks() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener, 16), 0);
  EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<std::shared_ptr<train::World>> worlds(2);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      train::JoinOptions join{.rank = rank, .size = 2, .local_rank = rank, .port = ntohs(address.sin_port), .backend = "nccl", .device = "cuda:" + std::to_string(rank), .run_id = "step"};
      join.listen_fd = rank == 0 ? listener : -1;
      worlds[static_cast<std::size_t>(rank)] = millrace_train_api()->join_world(join);
    });
  threads.clear();
  return worlds;
}

/// Of one of two ranks.
std::map<std::string, double> cost_of_a_ranks_step(train::Norm norm) {
  const auto worlds = two_nccl_ranks();
  auto options = on_gpu("resnet18");
  options.norm = norm;
  std::vector<std::unique_ptr<train::Trainer>> trainers(2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t r = 0; r < 2; ++r)
      threads.emplace_back([&, r, mine = options]() mutable {
        mine.world = worlds[r];
        mine.device = "cuda:" + std::to_string(r);
        trainers[r] = make(mine);
      });
  }
  auto cost = cost_of_a_step({trainers[0].get(), trainers[1].get()}, options.input);
  for (auto& [what, n] : cost) n /= 2;
  return cost;
}

// Statistics, what is sent, the sum over ranks, normalisation; sums, what is sent, the gradient: seven kernels a layer, where BatchNorm has cuDNN's two, which the
// double does not count. Then the counts of each size of pictures. The host waits once, for what ranks decide together.
TEST(SyncBatchNormOnGpus, TakesSevenKernelsALayerAndNoWaitOfItsOwn) {
  constexpr double kLayers = 20, kCounts = 17;
  const auto own = cost_of_a_ranks_step(train::Norm::bn), all = cost_of_a_ranks_step(train::Norm::syncbn);
  EXPECT_LE(all.at("kernels"), own.at("kernels") + 7 * kLayers + kCounts);
  EXPECT_LE(all.at("kernels"), 1.5 * 154); // What BatchNorm took when gradients were added up one by one.
  EXPECT_EQ(all.at("host_syncs"), own.at("host_syncs"));
  EXPECT_LE(own.at("host_syncs") + own.at("copies_d2h"), 2);
}

TEST(NumericsOfAGpu, AModelThatIsToBeDeterministicHasNoStepThatIsNot) {
  for (const char* model : {"lenet", "toy-norm", "resnet18", "mobilenetv3_small", "wide_resnet"})
    for (const bool bf16 : {false, true}) {
      auto options = on_gpu(model);
      options.widen = 1;
      options.deterministic = true;
      options.precision = bf16 ? train::Precision::bf16 : train::Precision::fp32;
      EXPECT_NO_THROW(cost_of_a_step(options)) << model;
    }
}

// CUDA_DOUBLE_FAULTS lets an allocation within the first capture fail.
TEST(StepGraphWithoutMemory, EndsWithWordsAndLeavesTheStreamInOrder) {
  auto options = on_gpu("resnet18", 64);
  options.graph_step = true;
  auto trainer = make(options);
  MemoryStream stream(options.input, 8, 10, 1, millrace_train_api()->page_locked_memory());
  std::string message;
  EXPECT_EQ(error_of([&] { train_on(*trainer, stream); }, &message), ErrorKind::device);
  EXPECT_THAT(message, HasSubstr("memory"));
  trainer.reset(); // Waits for its streams: an illegal call, were one of them still capturing.
  EXPECT_EQ(stream.home->home, static_cast<int>(stream.lent()));
}

}  // namespace
}  // namespace millrace::testing
