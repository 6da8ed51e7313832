#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/cuda_double/report_file.h"

namespace millrace::testing {

using Environment = std::map<std::string, std::string>;

/// How a process on the double ended, and what it left in its report.
struct Outcome {
  int status = 0; ///< Exit status; 128 + the signal where one ended it. 1 where an expectation of gtest failed in it.
  DoubleReport report;

  std::size_t findings(const std::string& kind) const { return report.findings(kind); }
};

/// Runs `body(rank)` in so many processes at once, each with the double to itself: it reads its settings at its first call.
std::vector<Outcome> in_processes(int n, const Environment& environment, const std::function<void(int)>& body);

inline Outcome in_a_process(const Environment& environment, const std::function<void()>& body) {
  return in_processes(1, environment, [&](int) { body(); })[0];
}
inline Outcome in_a_process(const std::function<void()>& body) { return in_a_process({}, body); }

/// A program that did one forbidden thing, and nothing else: the finding, once, and no other.
#define EXPECT_FOUND_ONCE(outcome, kind)                    \
  do {                                                      \
    const auto& outcome_ = (outcome);                       \
    EXPECT_EQ(outcome_.findings(kind), 1u);                 \
    EXPECT_EQ(outcome_.report.all_findings().size(), 1u) << outcome_.report.text(); \
    EXPECT_EQ(outcome_.status, 0);                          \
  } while (false)

#define EXPECT_NOTHING_FOUND(outcome)                                       \
  do {                                                                      \
    const auto& outcome_ = (outcome);                                       \
    EXPECT_TRUE(outcome_.report.all_findings().empty()) << outcome_.report.text(); \
    EXPECT_EQ(outcome_.status, 0);                                          \
  } while (false)

inline constexpr std::size_t kBytes = 64 << 10;

inline void* device_memory(std::size_t bytes = kBytes) {
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, bytes), cudaSuccess);
  return memory;
}
inline char* page_locked_memory(std::size_t bytes = kBytes) {
  void* memory = nullptr;
  EXPECT_EQ(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), cudaSuccess);
  return static_cast<char*>(memory);
}
inline cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0), cudaSuccess);
  return stream;
}
inline cudaEvent_t new_event() {
  cudaEvent_t event = nullptr;
  EXPECT_EQ(cudaEventCreateWithFlags(&event, cudaEventDefault), cudaSuccess);
  return event;
}
inline void launch(cudaStream_t stream) {
  static const char kernel = 0;
  EXPECT_EQ(cudaLaunchKernel(&kernel, 1, 1, nullptr, 0, stream), cudaSuccess);
}

}  // namespace millrace::testing
