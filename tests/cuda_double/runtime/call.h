#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "tests/cuda_double/runtime/report.h"

namespace cuda_double {

/// What a stream capture forbids.
enum class InCapture {
  allowed,
  forbidden, ///< cudaErrorStreamCaptureUnsupported, and the capture is lost, but for threads in relaxed mode.
};

/// Every call of the API begins with it: counts the call and returns the error that it must give at once, if any: that of a planted fault, of a
/// device that a planted fault has broken, or of a capture that forbids the call. `usual` is the error of a planted fault that names none.
[[nodiscard]] cudaError_t begin(const char* call, InCapture in_capture = InCapture::allowed, cudaError_t usual = cudaErrorUnknown);

/// An error that a right program never gets: reported.
cudaError_t illegal(cudaError_t error, const char* call, const std::string& why, const char* kind = finding::kIllegalCall);
/// An error that a right program may get (memory ran out, not ready): not reported.
cudaError_t answer(cudaError_t error);

/// The calling thread's device, as the program numbers it, and its physical number.
int current_device();
int physical(int device);
/// The calling thread's device gets a context, as most calls of the runtime do it.
void need_context();

}  // namespace cuda_double
