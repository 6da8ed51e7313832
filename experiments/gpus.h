#pragma once
#include <string>

#include "experiments/spec.h"
#include "train/api.h"

namespace millrace {

/// Why there is no GPU for `auto`; with `visible`, CUDA_VISIBLE_DEVICES' value, where that may hide one (null: not set). Empty: there is one.
std::string why_no_gpu(const train::Gpus& gpus, const char* visible);

/// Whether the ranks that a spec asks for may have a GPU each, so that it pays to ask how many there are: that loads LibTorch.
bool may_have_gpus(const Spec& spec);

/// Whether the ranks are to be processes with a GPU each, whose gradients go from GPU to GPU (NCCL): where there are enough of them, and
/// unless the spec names one by its number. Ranks that share GPUs are threads, whose gradients go through the host's memory.
bool each_has_a_gpu(const Spec& spec, const train::Gpus& gpus);

/// How the ranks' gradients travel, for the line that a run begins with: "nccl: from GPU to GPU".
std::string way_of_gradients(const std::string& world, bool on_gpus);

/// Where NCCL's messages (NCCL_DEBUG) go unless the user says it, as NCCL_DEBUG_FILE: not to stdout, as by default, where the results are.
/// To stderr; where that is a file or a socket, which NCCL would cut short or cannot open, to a file of their own.
std::string nccl_debug_file(unsigned stderr_mode);

}  // namespace millrace
