#include <thread>

#include "tests/cuda_double/planted.h"

// What a capture forbids, done once each.
namespace millrace::testing {
namespace {

cudaError_t end(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  return cudaStreamEndCapture(stream, &graph);
}

/// Captures `body` on a stream, in this thread's mode.
cudaError_t capture(cudaStreamCaptureMode mode, const std::function<void(cudaStream_t)>& body) {
  const cudaStream_t stream = new_stream();
  EXPECT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
  body(stream);
  return end(stream);
}

TEST(DoubleCapture, AGraphDoesAgainWhatWasCaptured) {
  EXPECT_NOTHING_FOUND(in_a_process([] {
    const cudaStream_t stream = new_stream();
    char *const from = page_locked_memory(), *const to = page_locked_memory();
    void* const there = device_memory();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    cudaMemcpyAsync(there, from, kBytes, cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(to, there, kBytes, cudaMemcpyDeviceToHost, stream);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphInstantiateWithFlags(&executable, graph, 0), cudaSuccess);
    for (const char value : {1, 2}) {
      from[0] = value;
      EXPECT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
      cudaStreamSynchronize(stream);
      EXPECT_EQ(to[0], value);
    }
  }));
}

TEST(DoubleCapture, CallsThatWaitOrAllocateAreIllegal) {
  static const std::vector<std::function<cudaError_t(cudaStream_t, cudaEvent_t)>> calls{
      [](cudaStream_t, cudaEvent_t) {
        void* memory = nullptr;
        return cudaMalloc(&memory, 16);
      },
      [](cudaStream_t, cudaEvent_t) {
        void* memory = nullptr;
        return cudaHostAlloc(&memory, 16, 0);
      },
      [](cudaStream_t, cudaEvent_t) { return cudaDeviceSynchronize(); },
      [](cudaStream_t stream, cudaEvent_t) { return cudaStreamSynchronize(stream); },
      [](cudaStream_t stream, cudaEvent_t) { return cudaStreamQuery(stream); },
      [](cudaStream_t, cudaEvent_t event) { return cudaEventQuery(event); },
      [](cudaStream_t, cudaEvent_t event) { return cudaEventSynchronize(event); },
      [](cudaStream_t, cudaEvent_t) { return cudaFree(nullptr); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_FOUND_ONCE(in_a_process([i] {
      const cudaEvent_t event = new_event();
      EXPECT_EQ(capture(cudaStreamCaptureModeThreadLocal,
                        [&](cudaStream_t stream) { EXPECT_EQ(calls[i](stream, event), cudaErrorStreamCaptureUnsupported); }),
                cudaErrorStreamCaptureInvalidated);
    }), "illegal_call");
  }
}

TEST(DoubleCapture, OtherThreadsMayGoOnWhereTheCaptureIsOfOneThread) {
  const auto beside = [](cudaStreamCaptureMode mode) {
    return in_a_process([mode] { capture(mode, [](cudaStream_t) { std::thread([] { cudaDeviceSynchronize(); }).join(); }); });
  };
  EXPECT_NOTHING_FOUND(beside(cudaStreamCaptureModeThreadLocal));
  EXPECT_FOUND_ONCE(beside(cudaStreamCaptureModeGlobal), "illegal_call");
}

TEST(DoubleCapture, AThreadInRelaxedModeMayAllocate) {
  EXPECT_NOTHING_FOUND(in_a_process([] {
    EXPECT_EQ(capture(cudaStreamCaptureModeThreadLocal,
                      [](cudaStream_t) {
                        auto mode = cudaStreamCaptureModeRelaxed;
                        cudaThreadExchangeStreamCaptureMode(&mode);
                        device_memory();
                        cudaThreadExchangeStreamCaptureMode(&mode);
                      }),
              cudaSuccess);
  }));
}

TEST(DoubleCapture, MemoryRunsOutWithinACaptureAlone) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_FAULTS", "cudaMalloc@capture:1"}}, [] {
    device_memory();
    capture(cudaStreamCaptureModeRelaxed, [](cudaStream_t) {
      void* memory = nullptr;
      EXPECT_EQ(cudaMalloc(&memory, 16), cudaErrorMemoryAllocation);
    });
  }));
}

TEST(DoubleCapture, ACopyOfOrdinaryMemoryIsIllegal) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    void* const there = device_memory();
    capture(cudaStreamCaptureModeThreadLocal, [&](cudaStream_t stream) {
      const int value = 1;
      cudaMemcpyAsync(there, &value, sizeof value, cudaMemcpyHostToDevice, stream);
    });
  }), "illegal_call");
}

TEST(DoubleCapture, AnEventFromOutsideCannotBeWaitedFor) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    const cudaEvent_t event = new_event();
    cudaEventRecord(event, nullptr);
    capture(cudaStreamCaptureModeThreadLocal, [&](cudaStream_t stream) { EXPECT_EQ(cudaStreamWaitEvent(stream, event, 0), cudaErrorStreamCaptureIsolation); });
  }), "illegal_call");
}

TEST(DoubleCapture, ABranchMustBeJoined) {
  const auto branch = [](bool join) {
    return in_a_process([join] {
      const cudaStream_t other = new_stream();
      const cudaEvent_t fork = new_event(), joined = new_event();
      const cudaError_t error = capture(cudaStreamCaptureModeThreadLocal, [&](cudaStream_t stream) {
        cudaEventRecord(fork, stream);
        cudaStreamWaitEvent(other, fork, 0);
        launch(other);
        cudaEventRecord(joined, other);
        if (join) cudaStreamWaitEvent(stream, joined, 0);
      });
      EXPECT_EQ(error, join ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
    });
  };
  EXPECT_NOTHING_FOUND(branch(true));
  EXPECT_FOUND_ONCE(branch(false), "illegal_call");
}

TEST(DoubleCapture, AnEventOfACaptureIsNoMoment) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    const cudaEvent_t event = new_event();
    capture(cudaStreamCaptureModeThreadLocal, [&](cudaStream_t stream) { cudaEventRecord(event, stream); });
    EXPECT_EQ(cudaEventSynchronize(event), cudaErrorCapturedEvent);
  }), "illegal_call");
}

TEST(DoubleCapture, ACaptureIsEndedByItsThread) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    capture(cudaStreamCaptureModeThreadLocal, [](cudaStream_t stream) {
      std::thread([stream] { EXPECT_EQ(end(stream), cudaErrorStreamCaptureWrongThread); }).join();
    });
  }), "illegal_call");
}

}  // namespace
}  // namespace millrace::testing
