#include "tests/cuda_double/runtime/call.h"

#include <array>
#include <atomic>
#include <utility>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/capture.h"
#include "tests/cuda_double/runtime/settings.h"

namespace cuda_double {
namespace {

thread_local cudaError_t t_last_error = cudaSuccess;
constinit std::atomic<cudaError_t> broken{cudaSuccess}; ///< After an error that ends a context: what every later call returns.

bool ends_the_context(cudaError_t error) {
  return error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure || error == cudaErrorECCUncorrectable || error == cudaErrorAssert;
}

cudaError_t planted(const char* call, cudaError_t usual) {
  static std::array<std::atomic<long>, 16> calls;
  const auto& faults = settings().faults;
  for (std::size_t i = 0; i < faults.size() && i < calls.size(); ++i) {
    const PlantedFault& fault = faults[i];
    if (fault.call != call || (fault.in_capture && !this_thread_captures())) continue;
    if (fault.device >= 0 && physical(current_device()) != fault.device) continue;
    const long n = ++calls[i];
    if (n != fault.first && !(fault.onwards && n > fault.first)) continue;
    const cudaError_t error = fault.error ? static_cast<cudaError_t>(fault.error) : usual;
    if (ends_the_context(error)) broken = error;
    return error;
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t begin(const char* call, InCapture in_capture, cudaError_t usual) {
  count(call);
  if (const cudaError_t error = broken; error != cudaSuccess) return answer(error);
  if (const cudaError_t error = planted(call, usual); error != cudaSuccess) return answer(error);
  if (in_capture == InCapture::forbidden && forbidden_by_a_capture())
    return illegal(cudaErrorStreamCaptureUnsupported, call, "not allowed while a stream is captured");
  return cudaSuccess;
}

cudaError_t illegal(cudaError_t error, const char* call, const std::string& why, const char* kind) {
  report(kind, call, why);
  return answer(error);
}

cudaError_t answer(cudaError_t error) {
  if (error != cudaSuccess) t_last_error = error;
  return error;
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaGetLastError() { return broken != cudaSuccess ? broken.load() : std::exchange(t_last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return t_last_error; }
int cuda_double_planted(const char* call, int usual) { return planted(call, static_cast<cudaError_t>(usual)); }
}
