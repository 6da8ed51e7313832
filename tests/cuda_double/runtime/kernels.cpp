// Kernels: registered, launched, counted, given a time; they do nothing. Two exceptions: at::Tensor::fill_ of a contiguous tensor is done, so that what
// a program counts and sums through the device (rows, flags) is what it wrote there.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/memory.h"
#include "tests/cuda_double/runtime/settings.h"
#include "tests/cuda_double/runtime/stream.h"

namespace cuda_double {
namespace {

struct Kernels {
  std::mutex mutex;
  std::unordered_map<const void*, std::string> names; ///< By the address of the host's stub.
};
Kernels& kernels() {
  static auto* const all = new Kernels;
  return *all;
}

struct LaunchConfiguration {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};
thread_local std::vector<LaunchConfiguration> t_configurations;

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

template <class T>
Stream::Work fill_with(void** arguments) {
  const int n = *static_cast<int*>(arguments[0]);
  const T value = *static_cast<T*>(arguments[1]);
  void* const to = *static_cast<void**>(arguments[2]);
  return [=](Time ready) {
    if (void* const at = backing(to, static_cast<std::size_t>(n) * sizeof(T), "fill")) std::fill_n(static_cast<T*>(at), n, value);
    return ready + settings().kernel_us;
  };
}

/// The kernel's work where it is a fill of contiguous memory: its arguments are the number of elements, the functor (the value) and the address.
Stream::Work fill_of(const std::string& name, void** arguments) {
  if (!has(name, "FillFunctor") || !has(name, "vectorized_elementwise_kernel") || !arguments) return {};
  if (has(name, "FillFunctorIfE")) return fill_with<float>(arguments);
  if (has(name, "FillFunctorIdE")) return fill_with<double>(arguments);
  if (has(name, "FillFunctorIlE")) return fill_with<std::int64_t>(arguments);
  if (has(name, "FillFunctorIiE")) return fill_with<std::int32_t>(arguments);
  if (has(name, "FillFunctorIbE")) return fill_with<bool>(arguments);
  return {};
}

cudaError_t launch(const void* kernel, void** arguments, cudaStream_t handle) {
  if (const cudaError_t error = begin("cudaLaunchKernel", InCapture::allowed, cudaErrorLaunchFailure)) return error;
  Stream* const stream = stream_of(handle, "cudaLaunchKernel");
  if (!stream) return cudaErrorInvalidResourceHandle;
  std::string name;
  {
    const std::lock_guard lock(kernels().mutex);
    if (const auto found = kernels().names.find(kernel); found != kernels().names.end()) name = found->second;
  }
  count("kernels");
  if (settings().kernel_names) count("kernel " + name.substr(0, 300));
  Stream::Work work = fill_of(name, arguments);
  if (!work) work = [](Time ready) { return ready + settings().kernel_us; };
  return enqueue(*stream, "cudaLaunchKernel", std::move(work), /*kernel=*/true);
}

}  // namespace
}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaLaunchKernel(const void* kernel, dim3, dim3, void** arguments, size_t, cudaStream_t stream) { return launch(kernel, arguments, stream); }
cudaError_t cudaLaunchCooperativeKernel(const void* kernel, dim3, dim3, void** arguments, size_t, cudaStream_t stream) { return launch(kernel, arguments, stream); }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* kernel, void** arguments) { return launch(kernel, arguments, config->stream); }

// What nvcc's code calls by itself.
cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* kernel) {
  *out = static_cast<cudaKernel_t>(const_cast<void*>(kernel));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void** arguments, size_t, cudaStream_t stream) { return launch(kernel, arguments, stream); }
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, CUstream_st* stream) {
  t_configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_bytes, void* stream) {
  if (t_configurations.empty()) return illegal(cudaErrorUnknown, "__cudaPopCallConfiguration", "nothing was pushed");
  const LaunchConfiguration last = t_configurations.back();
  t_configurations.pop_back();
  *grid = last.grid;
  *block = last.block;
  *shared_bytes = last.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  return cudaSuccess;
}
void** __cudaRegisterFatBinary(void*) {
  static void* handle[1];
  return handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  const std::lock_guard lock(kernels().mutex);
  kernels().names[host] = name;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->binaryVersion = attributes->ptxVersion = settings().capability_major * 10 + settings().capability_minor;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int threads, size_t, unsigned) {
  *blocks = std::max(1, 2048 / std::max(1, threads));
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int threads, size_t bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, kernel, threads, bytes, 0);
}

// Variables of the device lie nowhere: copies to them are dropped.
cudaError_t cudaMemcpyToSymbol(const void*, const void*, size_t, size_t, cudaMemcpyKind) { return cudaSuccess; }
cudaError_t cudaGetSymbolAddress(void** address, const void*) {
  static char nowhere[1 << 16];
  *address = nowhere;
  return cudaSuccess;
}
}
