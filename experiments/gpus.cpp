#include "experiments/gpus.h"

#include <sys/stat.h>

namespace millrace {

std::string why_no_gpu(const train::Gpus& gpus, const char* visible) {
  if (gpus.why_none.empty() || gpus.count > 0 || !visible) return gpus.why_none;
  return gpus.why_none + " (CUDA_VISIBLE_DEVICES is '" + std::string(visible).substr(0, 80) + "')";
}

bool may_have_gpus(const Spec& spec) {
  const train::TrainOptions& options = spec.train.options;
  return mode_of(spec.train) == Mode::ddp && spec.train.ranks > 1 && options.model != "sleep" && (options.device == "auto" || options.device == "cuda");
}

bool each_has_a_gpu(const Spec& spec, const train::Gpus& gpus) {
  return may_have_gpus(spec) && gpus.why_none.empty() && gpus.count >= spec.train.ranks;
}

std::string way_of_gradients(const std::string& world, bool on_gpus) {
  if (!on_gpus) return world;
  return world + (world == "nccl" ? ": gradients go from GPU to GPU" : ": gradients go through the host's memory");
}

std::string nccl_debug_file(unsigned stderr_mode) { return S_ISREG(stderr_mode) || S_ISSOCK(stderr_mode) ? "nccl.%h.%p.log" : "/dev/stderr"; }

}  // namespace millrace
