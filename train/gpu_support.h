#pragma once
#include <string>

namespace millrace::train {

/// What the CUDA runtime and the driver say of this machine's GPUs; without CUDA's headers, so that it is tested everywhere.
struct GpuFacts {
  int error = 0;              ///< cudaGetDeviceCount's answer, a cudaError_t.
  std::string error_text;
  int count = 0;              ///< GPUs that this process sees.
  int driver_cuda = 0;        ///< The newest CUDA that the driver knows, 12040; 0: there is no driver.
  int runtime_cuda = 0;       ///< The CUDA that LibTorch was built with, 13000.
  std::string driver;         ///< "535.104.05"; empty: not said.
};

/// Why there is no GPU here; empty: there is at least one.
std::string why_no_gpu(const GpuFacts& facts);
/// Why LibTorch has no kernels for a GPU of this compute capability; empty: it has.
std::string why_too_old(int index, const std::string& name, int major, int minor);

}  // namespace millrace::train
