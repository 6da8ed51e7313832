#include <unistd.h>

#include <thread>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/planted.h"

// What the double sees of devices, streams and events.
namespace millrace::testing {
namespace {

TEST(DoubleDevices, AContextThatNobodyAskedForIsFound) {
  const Outcome outcome = in_a_process({{"CUDA_DOUBLE_DEVICES", "3"}, {"CUDA_DOUBLE_CONTEXTS", "1,2"}}, [] {
    cudaSetDevice(2);
    device_memory();
    std::thread([] { page_locked_memory(); }).join(); // A new thread's device is the first.
  });
  EXPECT_FOUND_ONCE(outcome, "unasked_context");
  EXPECT_EQ(outcome.report.processes().at(0)["contexts"], (std::vector{0, 2}));
}

TEST(DoubleDevices, ASecondContextIsFoundWhereOneIsAskedFor) {
  EXPECT_FOUND_ONCE(in_a_process({{"CUDA_DOUBLE_DEVICES", "2"}, {"CUDA_DOUBLE_CONTEXTS", "one"}}, [] {
    cudaSetDevice(1);
    cudaSetDevice(0);
  }), "unasked_context");
}

TEST(DoubleDevices, LookingAtDevicesMakesNoContext) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_CONTEXTS", "none"}}, [] {
    int count = 0;
    cudaDeviceProp properties;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
    EXPECT_EQ(cuda_double_has_context(0), 0);
  }));
}

TEST(DoubleDevices, TheMaskTakesNumbersAndUuidsUpToTheFirstThatIsNone) {
  const auto visible = [](const std::string& mask) {
    return in_a_process({{"CUDA_DOUBLE_DEVICES", "4"}, {"CUDA_VISIBLE_DEVICES", mask}}, [] {
             int count = 0;
             cudaGetDeviceCount(&count);
             cudaDeviceProp properties{};
             if (count > 0) cudaGetDeviceProperties(&properties, 0);
             _exit(10 * count + properties.pciBusID);
           })
        .status;
  };
  EXPECT_EQ(visible(""), 0);
  EXPECT_EQ(visible("3,1"), 20 + 1 + 3);
  EXPECT_EQ(visible("2,9,1"), 10 + 1 + 2);
  EXPECT_EQ(visible("GPU-25232284-e49c-f2cb-0200-000000000000"), 10 + 1 + 1);
}

TEST(DoubleDevices, ADriverThatIsTooOldHasNoDevices) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_DRIVER", "12080"}, {"CUDA_DOUBLE_CAPABILITY", "7.0"}}, [] {
    int count = 9, version = 0;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    EXPECT_EQ(count, 0);
    cudaDriverGetVersion(&version);
    EXPECT_EQ(version, 12080);
    cudaDeviceProp properties;
    cudaGetDeviceProperties(&properties, 0);
    EXPECT_EQ(properties.major * 10 + properties.minor, 70);
  }));
}

TEST(DoubleDevices, MachinesHaveGpusOfTheirOwn) {
  const auto first_byte = [](const char* machine) {
    return in_a_process({{"CUDA_DOUBLE_MACHINE", machine}}, [] {
             cudaDeviceProp properties;
             cudaGetDeviceProperties(&properties, 0);
             _exit(static_cast<unsigned char>(properties.uuid.bytes[0]));
           })
        .status;
  };
  EXPECT_NE(first_byte("a"), first_byte("b"));
  EXPECT_EQ(first_byte("a"), first_byte("a"));
}

TEST(DoubleDevices, StreamsAndEventsOfAnotherDeviceAreFound) {
  const Outcome outcome = in_a_process({{"CUDA_DOUBLE_DEVICES", "2"}}, [] {
    const cudaStream_t first = new_stream();
    cudaSetDevice(1);
    static const char kernel = 0;
    EXPECT_EQ(cudaLaunchKernel(&kernel, 1, 1, nullptr, 0, first), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaEventRecord(new_event(), first), cudaErrorInvalidResourceHandle);
  });
  EXPECT_EQ(outcome.findings("wrong_device"), 2u);
}

TEST(DoubleDevices, AStreamThatWasDestroyedIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    const cudaStream_t stream = new_stream();
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  }), "illegal_call");
}

TEST(DoubleDevices, KernelsAndCopiesTakeTheirTime) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_KERNEL_US", "400000"}, {"CUDA_DOUBLE_COPY_GBS", "0.01"}}, [] {
    const cudaEvent_t begin = new_event(), end = new_event();
    cudaEventRecord(begin, nullptr);
    for (int i = 0; i < 5; ++i) launch(nullptr);
    cudaMemcpyAsync(device_memory(), page_locked_memory(), 50'000, cudaMemcpyHostToDevice, nullptr); // 5 ms
    cudaEventRecord(end, nullptr);
    EXPECT_EQ(cudaEventQuery(end), cudaErrorNotReady);
    cudaEventSynchronize(end);
    float milliseconds = 0;
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaSuccess);
    EXPECT_GE(milliseconds, 2004.f);
  }));
}

TEST(DoubleDevices, AStreamWaitsForAnothersEvent) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_COPY_GBS", "0.01"}}, [] {
    const cudaStream_t first = new_stream(), second = new_stream();
    char *const from = page_locked_memory(), *const to = page_locked_memory();
    void* const there = device_memory();
    const cudaEvent_t copied = new_event();
    from[10] = 7;
    cudaMemcpyAsync(there, from, kBytes, cudaMemcpyHostToDevice, first);
    cudaEventRecord(copied, first);
    cudaStreamWaitEvent(second, copied, 0);
    cudaMemcpyAsync(to, there, kBytes, cudaMemcpyDeviceToHost, second);
    cudaStreamSynchronize(second);
    EXPECT_EQ(to[10], 7);
  }));
}

TEST(DoubleDevices, TheTimeOfAnEventThatHasNotCompletedIsIllegal) {
  EXPECT_FOUND_ONCE(in_a_process({{"CUDA_DOUBLE_KERNEL_US", "2000000"}}, [] {
    const cudaEvent_t begin = new_event(), end = new_event();
    cudaEventRecord(begin, nullptr);
    launch(nullptr);
    cudaEventRecord(end, nullptr);
    float milliseconds = 0;
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaErrorNotReady);
  }), "illegal_call");
}

TEST(DoubleDevices, AnErrorThatEndsTheContextIsReturnedByEveryLaterCall) {
  EXPECT_NOTHING_FOUND(in_a_process({{"CUDA_DOUBLE_FAULTS", "cudaLaunchKernel:2=700"}}, [] {
    static const char kernel = 0;
    EXPECT_EQ(cudaLaunchKernel(&kernel, 1, 1, nullptr, 0, nullptr), cudaSuccess);
    EXPECT_EQ(cudaLaunchKernel(&kernel, 1, 1, nullptr, 0, nullptr), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  }));
}

TEST(DoubleDevices, AStrictProcessFailsByItsFindings) {
  const auto race = [] { cudaSetDevice(7); };
  EXPECT_EQ(in_a_process({{"CUDA_DOUBLE_STRICT", "1"}}, race).status, 99);
  EXPECT_EQ(in_a_process({{"CUDA_DOUBLE_STRICT", "1"}}, [&] {
              race();
              EXPECT_EQ(cuda_double_findings("illegal_call"), 1u);
              cuda_double_forget();
            }).status,
            0);
}

TEST(DoubleDevices, ACallThatTheDoubleLacksIsFound) {
  EXPECT_FOUND_ONCE(in_a_process([] {
    device_memory();
    EXPECT_NE(ncclReduceScatter(nullptr, nullptr, 1, ncclFloat, ncclSum, nullptr, nullptr), ncclSuccess);
  }), "unsupported");
}

TEST(DoubleDevices, LaunchesAreCounted) {
  const Outcome outcome = in_a_process([] {
    for (int i = 0; i < 5; ++i) launch(nullptr);
    EXPECT_EQ(cuda_double_counted("kernels"), 5u);
  });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.report.counted("kernels"), 5u);
}

}  // namespace
}  // namespace millrace::testing
