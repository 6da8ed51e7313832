#include "train/nvtx.h"

#include <nvtx3/nvToolsExt.h>

namespace millrace::train {

void nvtx_push(const char* name) noexcept { nvtxRangePushA(name); }
void nvtx_pop() noexcept { nvtxRangePop(); }

}  // namespace millrace::train
