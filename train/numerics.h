#pragma once
#include "train/api.h"

namespace millrace::train {

/// Tells LibTorch how a GPU may compute: TF32, cuDNN's choice of algorithms, determinism. These are the process's, as in torch, so a trainer
/// says them each time it begins to work.
/// Threads: any; trainers that work at the same time should want the same.
void set_numerics(const TrainOptions& options);

}  // namespace millrace::train
