// What the double refuses as a device without the feature would, without a finding: memory pools and memory shared between processes. And the driver's
// entry points, which are those of the double of libcuda.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "tests/cuda_double/runtime/call.h"

using namespace cuda_double;

namespace {
cudaError_t refused() { return answer(cudaErrorNotSupported); }
int driver_call_that_is_not_there() { return 801; }  // CUDA_ERROR_NOT_SUPPORTED
}  // namespace

extern "C" {
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t*, int) { return refused(); }
cudaError_t cudaMallocAsync(void**, size_t, cudaStream_t) { return refused(); }
cudaError_t cudaFreeAsync(void*, cudaStream_t) { return refused(); }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return refused(); }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return refused(); }
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t, const cudaMemAccessDesc*, size_t) { return refused(); }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return refused(); }
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t*, void*) { return refused(); }
cudaError_t cudaIpcOpenMemHandle(void**, cudaIpcMemHandle_t, unsigned) { return refused(); }
cudaError_t cudaIpcCloseMemHandle(void*) { return refused(); }
cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t*, cudaEvent_t) { return refused(); }
cudaError_t cudaIpcOpenEventHandle(cudaEvent_t*, cudaIpcEventHandle_t) { return refused(); }

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long, cudaDriverEntryPointQueryResult* result) {
  *function = dlsym(RTLD_DEFAULT, symbol);
  if (!*function) *function = reinterpret_cast<void*>(&driver_call_that_is_not_there);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
}
