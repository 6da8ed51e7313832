#pragma once

#include <dlfcn.h>

#include <cstdint>

// The CUDA double as a test sees it that may also run on a real GPU, or without any.
namespace millrace::testing {

/// Null where the double is not preloaded.
inline std::uint64_t (*double_function(const char* name))(const char*) {
  return reinterpret_cast<std::uint64_t (*)(const char*)>(dlsym(RTLD_DEFAULT, name));
}
/// Whether the GPU of this process is the double, which computes nothing.
inline bool on_cuda_double() { return double_function("cuda_double_counted") != nullptr; }
/// How often something was counted so far: tests/cuda_double/README.md.
inline std::uint64_t double_counted(const char* what) { return on_cuda_double() ? double_function("cuda_double_counted")(what) : 0; }
/// What the double has found so far.
inline std::uint64_t double_findings() { return on_cuda_double() ? double_function("cuda_double_findings")(nullptr) : 0; }

}  // namespace millrace::testing
