// What nccl_collective.cpp supplies, for builds without GPU code.
#include "pipeline/error.h"
#include "train/gloo_collective.h"

namespace millrace::train {

std::shared_ptr<Collective> join_nccl(std::shared_ptr<Collective>, const JoinOptions&) {
  throw Error(ErrorKind::device, "ranks on GPUs: this program was built without GPU code", "run 'MILLRACE_CUDA=ON make build', or use device = \"cpu\"");
}

}  // namespace millrace::train
