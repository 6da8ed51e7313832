#pragma once
#include <c10/cuda/CUDAEvent.h>

namespace millrace::train {

/// What an event of CUDA is made with so that waiting for it gives the core back: by default the driver spins, and a trainer would take from
/// the loader's workers the time in which its device computes.
inline constexpr unsigned kBlocking = cudaEventBlockingSync, kBlockingWithoutTiming = cudaEventBlockingSync | cudaEventDisableTiming;

/// Waits until the device has passed `event`. Most waits are short, and waking up costs tens of microseconds: it looks for a moment first.
/// `event` should be made with one of the above.
/// Errors: c10::Error.
void wait_for(const c10::cuda::CUDAEvent& event);
/// The same of all work that `stream` was given.
void wait_for(c10::cuda::CUDAStream stream);

}  // namespace millrace::train
