#include <ATen/cuda/CUDAGraph.h>

#include <optional>

#include "train/step_graph.h"

namespace millrace::train {
namespace {

class CudaStepGraph final : public StepGraph {
 public:
  bool take(const Input& input) override {
    at::NoGradGuard no_grad;
    if (!fixed_.images.defined()) {
      // With the strides of the original: a permuted view would be laid out anew in every step.
      fixed_ = {at::empty_strided(input.images.sizes(), input.images.strides(), input.images.options()), at::empty_like(input.labels)};
    } else if (input.images.sizes() != fixed_.images.sizes() || input.images.strides() != fixed_.images.strides()) {
      return false;
    }
    if (eager_steps_ < kEagerSteps) {
      ++eager_steps_;
      return false;
    }
    fixed_.images.copy_(input.images, /*non_blocking=*/true);
    fixed_.labels.copy_(input.labels, /*non_blocking=*/true);
    return true;
  }

  void run(const std::function<void(const Input&)>& step, const at::Generator& generator) override {
    if (!captured_) {
      if (generator.defined()) graph_.register_generator_state(generator);
      graph_.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
      step(fixed_);
      graph_.capture_end();
      captured_ = true;
    }
    graph_.replay();
  }

 private:
  at::cuda::CUDAGraph graph_;
  Input fixed_;
  int eager_steps_ = 0;
  bool captured_ = false;
};

}  // namespace

std::unique_ptr<StepGraph> make_step_graph() { return std::make_unique<CudaStepGraph>(); }

}  // namespace millrace::train
