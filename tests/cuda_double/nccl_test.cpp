#include <csignal>
#include <thread>

#include "tests/cuda_double/planted.h"

// NCCL on the double: sums between threads and processes, and what must not be done.
namespace millrace::testing {
namespace {

ncclUniqueId new_id() {
  ncclUniqueId id;
  EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  return id;
}

ncclResult_t settled(ncclComm_t c, ncclResult_t state) {
  while (state == ncclInProgress) EXPECT_EQ(ncclCommGetAsyncError(c, &state), ncclSuccess);
  return state;
}

/// A rank on a device of its own, with floats that hold its number plus one.
struct Rank {
  Rank(int number, int size, const ncclUniqueId& id, bool blocking, int device) {
    EXPECT_EQ(cudaSetDevice(device), cudaSuccess);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = blocking;
    started = ncclCommInitRankConfig(&communicator, size, id, number, &config);
    started = settled(communicator, started);
    floats = static_cast<float*>(device_memory());
    host = reinterpret_cast<float*>(page_locked_memory());
    for (std::size_t i = 0; i < kFloats; ++i) host[i] = static_cast<float>(number + 1);
    stream = new_stream();
    cudaMemcpyAsync(floats, host, kFloats * sizeof(float), cudaMemcpyHostToDevice, stream);
    cudaStreamSynchronize(stream);
  }
  ncclResult_t sum(std::size_t n = kFloats) { return settled(communicator, ncclAllReduce(floats, floats, n, ncclFloat, ncclSum, communicator, stream)); }
  float last() {
    cudaMemcpyAsync(host, floats, kFloats * sizeof(float), cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
    return host[kFloats - 1];
  }
  void end() {
    EXPECT_EQ(settled(communicator, ncclCommFinalize(communicator)), ncclSuccess);
    EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
  }

  static constexpr std::size_t kFloats = kBytes / sizeof(float);
  ncclComm_t communicator = nullptr;
  ncclResult_t started = ncclSuccess;
  float *floats = nullptr, *host = nullptr;
  cudaStream_t stream = nullptr;
};

const Environment kTwo{{"CUDA_DOUBLE_DEVICES", "2"}};

Environment two_and(const std::string& name, const std::string& value) { return {{"CUDA_DOUBLE_DEVICES", "2"}, {name, value}}; }

TEST(DoubleNccl, ThreadsSum) {
  EXPECT_NOTHING_FOUND(in_a_process(kTwo, [] {
    const ncclUniqueId id = new_id();
    std::vector<std::thread> ranks;
    for (int r = 0; r < 2; ++r)
      ranks.emplace_back([r, id] {
        Rank rank(r, 2, id, /*blocking=*/true, r);
        EXPECT_EQ(rank.sum(), ncclSuccess);
        EXPECT_EQ(rank.last(), 3.f);
        rank.end();
      });
    for (auto& rank : ranks) rank.join();
  }));
}

TEST(DoubleNccl, ProcessesSumAndBroadcast) {
  const ncclUniqueId id = new_id();
  for (const Outcome& outcome : in_processes(2, two_and("CUDA_DOUBLE_CONTEXTS", "one"), [&](int r) {
         Rank rank(r, 2, id, /*blocking=*/false, r);
         EXPECT_EQ(rank.sum(), ncclSuccess);
         EXPECT_EQ(rank.sum(), ncclSuccess);
         EXPECT_EQ(rank.last(), 6.f);
         for (std::size_t i = 0; i < Rank::kFloats; ++i) rank.host[i] = static_cast<float>(r);
         cudaMemcpyAsync(rank.floats, rank.host, kBytes, cudaMemcpyHostToDevice, rank.stream);
         EXPECT_EQ(settled(rank.communicator, ncclBroadcast(rank.floats, rank.floats, Rank::kFloats, ncclFloat, 1, rank.communicator, rank.stream)), ncclSuccess);
         EXPECT_EQ(rank.last(), 1.f);
         rank.end();
       }))
    EXPECT_NOTHING_FOUND(outcome);
}

TEST(DoubleNccl, ABufferOnAnotherDeviceIsFound) {
  EXPECT_FOUND_ONCE(in_a_process(kTwo, [] {
    Rank rank(0, 1, new_id(), /*blocking=*/true, 1);
    cudaSetDevice(0);
    void* const elsewhere = device_memory();
    EXPECT_EQ(ncclAllReduce(elsewhere, elsewhere, 4, ncclFloat, ncclSum, rank.communicator, rank.stream), ncclInvalidArgument);
  }), "wrong_device");
}

TEST(DoubleNccl, TwoRanksOnOneGpuAreFound) {
  const ncclUniqueId id = new_id();
  for (const Outcome& outcome : in_processes(2, kTwo, [&](int r) { EXPECT_EQ(Rank(r, 2, id, /*blocking=*/true, 0).started, ncclInvalidUsage); }))
    EXPECT_FOUND_ONCE(outcome, "illegal_call");
}

TEST(DoubleNccl, CallsThatDifferAmongRanksAreFound) {
  const ncclUniqueId id = new_id();
  for (const Outcome& outcome : in_processes(2, kTwo, [&](int r) {
         Rank rank(r, 2, id, /*blocking=*/false, r);
         rank.sum(r == 0 ? 10 : 20);
         std::this_thread::sleep_for(std::chrono::milliseconds(300));
         ncclCommAbort(rank.communicator);
         cudaDeviceSynchronize();
       }))
    EXPECT_FOUND_ONCE(outcome, "mismatch");
}

TEST(DoubleNccl, ACallWhileTheOneBeforeIsInProgressIsFound) {
  EXPECT_FOUND_ONCE(in_a_process({{"CUDA_DOUBLE_NCCL_LAUNCH_US", "1000000"}}, [] {
    Rank rank(0, 1, new_id(), /*blocking=*/false, 0);
    const auto sum = [&] { return ncclAllReduce(rank.floats, rank.floats, 4, ncclFloat, ncclSum, rank.communicator, rank.stream); };
    EXPECT_EQ(sum(), ncclInProgress);
    EXPECT_EQ(sum(), ncclInvalidUsage);
  }), "illegal_call");
}

TEST(DoubleNccl, ACallAfterTheAbortIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    Rank rank(0, 1, new_id(), /*blocking=*/true, 0);
    ncclCommAbort(rank.communicator);
    EXPECT_EQ(rank.sum(), ncclInvalidArgument);
  }), "use_after_free");
}

TEST(DoubleNccl, AStalledLinkWaitsForTheAbortAndMayBeToldAsARemoteError) {
  for (const ncclResult_t told : {ncclSuccess, ncclRemoteError}) {
    const ncclUniqueId id = new_id();
    const Environment environment{{"CUDA_DOUBLE_DEVICES", "2"}, {"CUDA_DOUBLE_NCCL_STALL", "1"}, {"CUDA_DOUBLE_NCCL_ERROR", std::to_string(told)}};
    for (const Outcome& outcome : in_processes(2, environment, [&](int r) {
           Rank rank(r, 2, id, /*blocking=*/true, r);
           EXPECT_EQ(rank.sum(), ncclSuccess);
           cudaStreamSynchronize(rank.stream);
           EXPECT_EQ(rank.sum(), ncclSuccess); // Taken, and never done.
           std::this_thread::sleep_for(std::chrono::milliseconds(50));
           EXPECT_EQ(cudaStreamQuery(rank.stream), cudaErrorNotReady);
           ncclResult_t state = ncclSuccess;
           for (int i = 0; i < 10'000 && state == ncclSuccess && told != ncclSuccess; ++i) {
             ncclCommGetAsyncError(rank.communicator, &state);
             std::this_thread::sleep_for(std::chrono::milliseconds(1));
           }
           EXPECT_EQ(state, told);
           ncclCommAbort(rank.communicator);
           EXPECT_EQ(cudaStreamSynchronize(rank.stream), cudaSuccess);
         }))
      EXPECT_NOTHING_FOUND(outcome);
  }
}

TEST(DoubleNccl, ARankThatDiesIsWaitedForUntilTheAbort) {
  const ncclUniqueId id = new_id();
  const auto outcomes = in_processes(2, kTwo, [&](int r) {
    Rank rank(r, 2, id, /*blocking=*/true, r);
    if (r == 1) raise(SIGKILL);
    EXPECT_EQ(rank.sum(), ncclSuccess);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(cudaStreamQuery(rank.stream), cudaErrorNotReady);
    ncclCommAbort(rank.communicator);
    EXPECT_EQ(cudaStreamSynchronize(rank.stream), cudaSuccess);
  });
  EXPECT_NOTHING_FOUND(outcomes[0]);
  EXPECT_EQ(outcomes[1].status, 128 + SIGKILL);
}

TEST(DoubleNccl, AnErrorIsPlantedInTheNthCall) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_FAULTS", "ncclAllReduce:2=2"}}, [] {
    Rank rank(0, 1, new_id(), /*blocking=*/true, 0);
    EXPECT_EQ(rank.sum(), ncclSuccess);
    EXPECT_EQ(rank.sum(), ncclSystemError);
    EXPECT_EQ(rank.sum(), ncclSuccess);
  }));
}

}  // namespace
}  // namespace millrace::testing
