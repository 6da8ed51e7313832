#include <csignal>
#include <cstring>

#include "tests/cuda_double/planted.h"

// What the double sees of memory: each thing that must not be done, done once.
namespace millrace::testing {
namespace {

const Environment kSlowCopies{{"CUDA_DOUBLE_COPY_GBS", "0.002"}}; // 64 KiB take 32 ms.

TEST(DoubleMemory, ACopyBringsTheBytesToTheDeviceAndBack) {
  EXPECT_NOTHING_FOUND(in_a_process([] {
    char* const from = page_locked_memory();
    char* const to = page_locked_memory();
    void* const there = device_memory();
    std::memset(from, 7, kBytes);
    cudaMemcpyAsync(there, from, kBytes, cudaMemcpyHostToDevice, nullptr);
    cudaMemcpyAsync(to, there, kBytes, cudaMemcpyDeviceToHost, nullptr);
    cudaStreamSynchronize(nullptr);
    EXPECT_EQ(std::memcmp(from, to, kBytes), 0);
  }));
}

TEST(DoubleMemory, AWriteToPageLockedMemoryUnderACopyIsARace) {
  EXPECT_FOUND_ONCE(in_a_process(kSlowCopies, [] {
    char* const from = page_locked_memory();
    cudaMemcpyAsync(device_memory(), from, kBytes, cudaMemcpyHostToDevice, nullptr);
    from[100] = 1;
    cudaDeviceSynchronize();
    from[100] = 2; // After the copy: allowed.
  }), "race");
}

TEST(DoubleMemory, AWriteToPageLockedMemoryThatACopyFillsIsARace) {
  EXPECT_FOUND_ONCE(in_a_process(kSlowCopies, [] {
    char* const to = page_locked_memory();
    cudaMemcpyAsync(to, device_memory(), kBytes, cudaMemcpyDeviceToHost, nullptr);
    while (static_cast<volatile char*>(to)[0] == 0) continue; // The copy has begun: the old bytes are gone.
    to[100] = 1;
    cudaDeviceSynchronize();
  }), "race");
}

TEST(DoubleMemory, OrdinaryMemoryMayChangeAfterTheCallWhereCudaStagesIt) {
  EXPECT_NOTHING_FOUND(in_a_process(kSlowCopies, [] {
    std::string from(1000, 'a');
    char* const to = page_locked_memory();
    void* const there = device_memory();
    cudaMemcpyAsync(there, from.data(), from.size(), cudaMemcpyHostToDevice, nullptr);
    from.assign(1000, 'b');
    cudaMemcpyAsync(to, there, 1000, cudaMemcpyDeviceToHost, nullptr);
    cudaDeviceSynchronize();
    EXPECT_EQ(to[999], 'a');
  }));
}

TEST(DoubleMemory, TheHostCannotTouchADevicesMemory) {
  EXPECT_EQ(in_a_process([] { static_cast<volatile char*>(device_memory())[0] = 1; }).status, 128 + SIGSEGV);
}

TEST(DoubleMemory, WhatTouchesFreedMemoryIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    void* const there = device_memory();
    cudaFree(there);
    EXPECT_EQ(cudaMemsetAsync(there, 0, 16, nullptr), cudaErrorInvalidValue);
  }), "use_after_free");
}

TEST(DoubleMemory, MemoryThatIsFreedTwiceIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    char* const here = page_locked_memory();
    EXPECT_EQ(cudaFreeHost(here), cudaSuccess);
    EXPECT_EQ(cudaFreeHost(here), cudaErrorInvalidValue);
  }), "use_after_free");
}

TEST(DoubleMemory, ACopyBeyondAnAllocationsEndIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] { cudaMemcpyAsync(device_memory(1000), page_locked_memory(), 1001, cudaMemcpyHostToDevice, nullptr); }), "out_of_bounds");
}

TEST(DoubleMemory, FreeingWaitsForTheDevice) {
  EXPECT_NOTHING_FOUND(in_a_process(kSlowCopies, [] {
    char* const from = page_locked_memory();
    cudaMemcpyAsync(device_memory(), from, kBytes, cudaMemcpyHostToDevice, new_stream());
    cudaFreeHost(from);
  }));
}

TEST(DoubleMemory, ADevicesMemoryRunsOut) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_DEVICES", "2"}, {"CUDA_DOUBLE_MEMORY_MIB", "100,1"}}, [] {
    void* memory = nullptr;
    EXPECT_EQ(cudaMalloc(&memory, 2 << 20), cudaSuccess);
    cudaSetDevice(1);
    EXPECT_EQ(cudaMalloc(&memory, 2 << 20), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    EXPECT_EQ(free, 1u << 20);
  }));
}

TEST(DoubleMemory, TheNthAllocationFailsOnOneDevice) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_DEVICES", "2"}, {"CUDA_DOUBLE_FAULTS", "cudaMalloc#1:2"}}, [] {
    std::vector<cudaError_t> errors;
    for (const int device : {0, 1, 0, 1, 1}) {
      void* memory = nullptr;
      cudaSetDevice(device);
      errors.push_back(cudaMalloc(&memory, 16));
    }
    EXPECT_EQ(errors, (std::vector{cudaSuccess, cudaSuccess, cudaSuccess, cudaErrorMemoryAllocation, cudaSuccess}));
  }));
}

TEST(DoubleMemory, PageLockingFailsFromTheNthOn) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_FAULTS", "cudaHostAlloc:2+"}}, [] {
    void* memory = nullptr;
    EXPECT_EQ(cudaHostAlloc(&memory, 16, 0), cudaSuccess);
    EXPECT_EQ(cudaHostAlloc(&memory, 16, 0), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaHostAlloc(&memory, 16, 0), cudaErrorMemoryAllocation);
  }));
}

TEST(DoubleMemory, CopiesAndHostSynchronisationsAreCounted) {
  const Outcome outcome = in_a_process([] {
    char* const here = page_locked_memory();
    void* const there = device_memory();
    std::string ordinary(100, 0);
    cudaMemcpyAsync(there, here, kBytes, cudaMemcpyHostToDevice, nullptr);
    cudaMemcpyAsync(here, there, kBytes, cudaMemcpyDeviceToHost, nullptr);
    cudaMemcpyAsync(ordinary.data(), there, 100, cudaMemcpyDeviceToHost, nullptr); // Waits, since the target is pageable.
    cudaStreamSynchronize(nullptr);
  });
  EXPECT_EQ(outcome.report.counted("copies_h2d"), 1u);
  EXPECT_EQ(outcome.report.counted("copies_d2h"), 2u);
  EXPECT_EQ(outcome.report.counted("copied_bytes"), 2 * kBytes + 100);
  EXPECT_EQ(outcome.report.counted("host_syncs"), 2u);
}

}  // namespace
}  // namespace millrace::testing
