#include "train/gpu_support.h"

namespace millrace::train {
namespace {

constexpr int kNoDevice = 100;  // cudaErrorNoDevice.
// CUDA 13 has no compiler for what came before Turing.
constexpr int kOldestMajor = 7, kOldestMinor = 5;

std::string cuda_text(int version) { return "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

}  // namespace

std::string why_no_gpu(const GpuFacts& facts) {
  if (facts.count > 0) return {};
  if (facts.driver_cuda == 0) return "there is no NVIDIA driver here";
  // A driver serves every CUDA of its own major version and older.
  if (facts.driver_cuda / 1000 < facts.runtime_cuda / 1000)
    return "NVIDIA's driver here" + (facts.driver.empty() ? "" : ", " + facts.driver + ",") + " is too old: it knows " + cuda_text(facts.driver_cuda) +
           ", LibTorch here is built with " + cuda_text(facts.runtime_cuda) + (facts.runtime_cuda / 1000 == 13 ? ", which needs driver 580 or newer" : "");
  if (facts.error == 0 || facts.error == kNoDevice) return "NVIDIA's driver shows no GPU";
  return "CUDA finds no GPU: " + facts.error_text;
}

std::string why_too_old(int index, const std::string& name, int major, int minor) {
  if (major > kOldestMajor || (major == kOldestMajor && minor >= kOldestMinor)) return {};
  return "GPU " + std::to_string(index) + " (" + name + ", compute capability " + std::to_string(major) + "." + std::to_string(minor) +
         ") is older than Turing (7.5), the oldest that CUDA 13 has kernels for";
}

}  // namespace millrace::train
