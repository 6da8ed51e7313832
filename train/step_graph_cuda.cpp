#include <ATen/cuda/CUDAGraph.h>
#include <cuda_runtime_api.h>

#include <optional>

#include "train/step_graph.h"

namespace millrace::train {
namespace {

class CudaStepGraph final : public StepGraph {
 public:
  bool take(const Input& input) override {
    at::NoGradGuard no_grad;
    const bool fits = fixed_.images.defined() && input.images.sizes() == fixed_.images.sizes() && input.images.strides() == fixed_.images.strides();
    if (!fits && captured_) return false;
    if (!fits) { // Until the capture any shape may turn out to be the usual one: a run may begin with an epoch's short last batch.
      eager_steps_ = 0;
      // With the strides of the original: a permuted view would be laid out anew in every step.
      fixed_ = {at::empty_strided(input.images.sizes(), input.images.strides(), input.images.options()), at::empty_like(input.labels)};
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
      capture(step);
    }
    graph_.replay();
  }

 private:
  void capture(const std::function<void(const Input&)>& step) {
    graph_.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      step(fixed_);
    } catch (...) {
      end_capture(); // Or nothing could be waited for on this stream any more, and slots would go home under a copy.
      throw;
    }
    graph_.capture_end();
    captured_ = true;
  }
  /// Of a step that failed, and may have spoilt the capture.
  void end_capture() noexcept {
    try {
      graph_.capture_end();
    } catch (const std::exception&) {
    }
    static_cast<void>(cudaGetLastError());
  }

  at::cuda::CUDAGraph graph_;
  Input fixed_;
  int eager_steps_ = 0;
  bool captured_ = false;
};

}  // namespace

std::unique_ptr<StepGraph> make_step_graph() { return std::make_unique<CudaStepGraph>(); }

}  // namespace millrace::train
