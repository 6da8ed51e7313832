// One rank as a process of its own, for gloo_test.cpp and bench_gloo.py:
//   rank_worker RANK SIZE PORT LISTEN_FD RUN_ID TIMEOUT_SECONDS PART [NUMBER]
// PART "store" is no rank: it serves the store that RANK_WORKER_STORE tells ranks of. Prints "joined" once all have met. What ends it is printed on stderr, its exit code is the program's.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>

#include "pipeline/error.h"
#include "train/collective.h"
#include "train/device_wait.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

using namespace millrace;
using namespace millrace::train;

namespace {

at::Device place = at::kCPU; ///< Of this rank's tensors: its GPU, where RANK_WORKER_BACKEND is nccl.

/// Sums, and waits until it is done, as a trainer does.
void sum(Collective& world, at::Tensor& own) {
  world.all_reduce_sum(own);
  wait_for_current_stream(&world, place);
}

void expect(bool fine, const std::string& what) {
  if (!fine) throw Error(ErrorKind::internal, what + " is wrong");
}

/// Values that differ by rank and place, whose sum depends on the order of summation in its last bits.
at::Tensor values(int rank, std::int64_t count, at::ScalarType type) {
  return at::sin(at::arange(count, at::kDouble) * 12.9898 + rank * 78.233).mul_(43758.5453).to(type);
}

void sums(Collective& world) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    for (const std::int64_t count : {1, 2, 3, 1000, 65537}) {
      at::Tensor own = values(world.rank(), count, type).to(place), expected = at::zeros({count}, at::kDouble);
      for (int rank = 0; rank < world.size(); ++rank) expected += values(rank, count, type).to(at::kDouble);
      sum(world, own);
      own = own.cpu();
      const double tolerance = type == at::kFloat ? 0.05 : 1e-9; // Of values up to 44,000: a few units in the last place.
      expect((own.to(at::kDouble) - expected).abs().max().item<double>() < tolerance, "the sum of " + std::to_string(count));
      const std::string bits(static_cast<const char*>(own.const_data_ptr()), own.nbytes());
      for (const std::string& other : world.all_gather(bits)) expect(other == bits, "that all ranks have the same bits");
    }
}

void copies(Collective& world) {
  for (int root = 0; root < world.size(); ++root) {
    at::Tensor own = values(world.rank(), 1001, at::kFloat).to(place);
    world.broadcast(own, root);
    wait_for_current_stream(&world, place);
    expect(own.cpu().equal(values(root, 1001, at::kFloat)), "the copy of rank " + std::to_string(root) + "'s values");
  }
}

void words(Collective& world) {
  const auto said = [](int rank) { return std::string(static_cast<std::size_t>(rank * 1000), static_cast<char>('a' + rank)); };
  const std::vector<std::string> all = world.all_gather(said(world.rank())); // Rank 0 says nothing.
  expect(all.size() == static_cast<std::size_t>(world.size()), "the number of answers");
  for (int rank = 0; rank < world.size(); ++rank) expect(all[static_cast<std::size_t>(rank)] == said(rank), "what rank " + std::to_string(rank) + " said");
}

/// A stream of the calling thread's own, while it lives. Ways that shared one would wait for each other in an order that differs by rank.
class OwnStream {
 public:
  OwnStream() {
    if (!place.is_cpu()) stream_.emplace(c10::impl::VirtualGuardImpl(place.type()).getStreamFromGlobalPool(place));
  }

 private:
  std::optional<c10::StreamGuard> stream_;
};

/// A second way is independent of the first.
void both_ways(Collective& world) {
  const auto second = world.second();
  expect(second != nullptr && second == world.second(), "the second way");
  at::Tensor one = at::ones({100'000}).to(place), two = at::full({100'000}, 2.0).to(place);
  wait_for_current_stream(&world, place);
  std::thread other([&] {
    const OwnStream own;
    sum(*second, two);
  });
  sum(world, one);
  other.join();
  expect(one.cpu().sum().item<double>() == 1e5 * world.size() && two.cpu().sum().item<double>() == 2e5 * world.size(), "sums on both ways");
}

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

/// What a launcher does for its ranks: a store that outlives them.
[[noreturn]] void serve_store(int port, int listener) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(port);
  options.isServer = true;
  options.waitWorkers = false;
  options.masterListenFd = listener;
  const c10d::TCPStore store("127.0.0.1", options);
  std::printf("joined\n");
  std::fflush(stdout);
  sleep_for_ever();
}

/// Seconds of an all-reduce of `bytes`, sorted.
void bench(Collective& world, std::int64_t bytes) {
  at::Tensor own = at::ones({bytes / 4});
  std::vector<double> seconds;
  for (int i = 0; i < 60; ++i) {
    own.fill_(1);
    world.barrier();
    const auto began = std::chrono::steady_clock::now();
    world.all_reduce_sum(own);
    if (i >= 10) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  }
  std::sort(seconds.begin(), seconds.end());
  if (world.rank() == 0)
    std::printf("gloo all-reduce %lld bytes, %d ranks: median %.3f ms, quartiles %.3f %.3f, n %zu\n", static_cast<long long>(bytes), world.size(),
                1e3 * seconds[25], 1e3 * seconds[12], 1e3 * seconds[37], seconds.size());
}

int run(char** argv) {
  JoinOptions join;
  join.rank = std::atoi(argv[1]);
  join.size = std::atoi(argv[2]);
  join.port = std::atoi(argv[3]);
  join.listen_fd = join.rank == 0 ? std::atoi(argv[4]) : -1;
  join.run_id = argv[5];
  join.timeout_seconds = std::atof(argv[6]);
  const std::string part = argv[7];
  const int number = argv[8] ? std::atoi(argv[8]) : 0;
  if (const char* address = std::getenv("RANK_WORKER_HOST")) join.host = address;
  if (const char* backend = std::getenv("RANK_WORKER_BACKEND"); backend && backend == std::string("nccl")) {
    place = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(join.rank));
    join.backend = "nccl";
    join.local_rank = join.rank;
    join.device = place.str();
  }
  if (part == "mixed" && join.rank == number) join.backend = "nccl", join.device = "cuda:0";
  if (part == "mixed" && join.rank != number) join.why_backend = "there is no NVIDIA driver here";
  join.store_is_there = std::getenv("RANK_WORKER_STORE") != nullptr;
  at::set_num_threads(1);
  if (part == "store") serve_store(join.port, std::atoi(argv[4]));

  const auto world = std::dynamic_pointer_cast<Collective>(millrace_train_api()->join_world(join));
  std::printf("joined\n");
  std::fflush(stdout);
  const bool chosen = join.rank == number;
  if (part == "calls") {
    sums(*world);
    copies(*world);
    words(*world);
    both_ways(*world);
    world->barrier();
  } else if (part == "wait") {           // All but one wait for it, in calls.
    if (chosen) sleep_for_ever();
    at::Tensor own = at::ones({1 << 20}).to(place);
    sum(*world, own);
  } else if (part == "busy") {           // All sum for ever.
    for (at::Tensor own = at::ones({1 << 18}).to(place);;) sum(*world, own);
  } else if (part == "abort") {
    if (chosen) {
      world->abort("the loss is not a number");
      world->barrier();
    }
    at::Tensor own = at::ones({1 << 20}).to(place);
    sum(*world, own);
  } else if (part == "leave") {
    if (!chosen) world->barrier();
  } else if (part == "bench") {
    bench(*world, number);
  } else {
    throw Error(ErrorKind::usage, "unknown part " + part);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) return 2;
  try {
    return run(argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return exit_code(e.kind());
  }
}
