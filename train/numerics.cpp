#include "train/numerics.h"

#include <ATen/Context.h>

#include "train/torch_headers.h"

namespace millrace::train {

void set_numerics(const TrainOptions& options) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(options.tf32 != Tf32::none);
  context.setAllowTF32CuBLAS(options.tf32 == Tf32::all);
  context.setBenchmarkCuDNN(options.cudnn_benchmark && !options.deterministic); // What is fastest may be another algorithm the next time.
  context.setDeterministicCuDNN(options.deterministic);
  context.setDeterministicAlgorithms(options.deterministic, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false); // A kernel an allocation, for programs that read what they never wrote.
}

}  // namespace millrace::train
