#pragma once

namespace millrace::train {

/// Ranges of the calling thread in NVIDIA's tools (Nsight Systems): nvtx.cpp in builds with GPU code, else nvtx_none.cpp.
/// A few nanoseconds each where no tool listens. `name` is copied. Errors: none.
void nvtx_push(const char* name) noexcept;
void nvtx_pop() noexcept;

}  // namespace millrace::train
