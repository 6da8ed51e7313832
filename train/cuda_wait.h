#pragma once
#include <c10/cuda/CUDAEvent.h>

namespace millrace::train {

class Collective;

/// What an event of CUDA is made with so that waiting for it gives the core back: by default the driver spins, and a trainer would take from
/// the loader's workers the time in which its device computes.
inline constexpr unsigned kBlocking = cudaEventBlockingSync, kBlockingWithoutTiming = cudaEventBlockingSync | cudaEventDisableTiming;

/// Waits until the device has passed `event`. Most waits are short, and waking up costs tens of microseconds: it looks for a moment first.
/// `event` should be made with one of the above. `ranks`, where there are several, are watched meanwhile (wait_for_device).
/// Errors: c10::Error; Error(communication), what ended the run.
void wait_for(const c10::cuda::CUDAEvent& event, Collective* ranks = nullptr);
/// The same of all work that `stream` was given.
void wait_for(c10::cuda::CUDAStream stream, Collective* ranks = nullptr);

}  // namespace millrace::train
