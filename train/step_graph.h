#pragma once
#include <functional>
#include <memory>

#include "train/device.h"

namespace millrace::train {

/// One whole training step captured once as a CUDA graph, then launched by one call: what a step of many short kernels (LeNet,
/// Toy, ResNet-18 of few rows) loses is the launching. Inputs are copied to fixed addresses first. The first kEagerSteps of one shape, in which libraries allocate and choose, are for the caller to
/// run as they are; so are, after the capture, batches of another shape, such as an epoch's short last one.
/// Source:  CUDA Programming Guide, "CUDA Graphs". Capture is thread-local: other trainers may allocate meanwhile.
/// Threads: the trainer's, on its compute stream.
/// Errors:  c10::Error for what cannot be captured; the stream can be used again.
class StepGraph {
 public:
  static constexpr int kEagerSteps = 3;
  virtual ~StepGraph() = default;
  /// Copies the batch to where the graph reads it. False: this one is to be run eagerly.
  virtual bool take(const Input& input) = 0;
  /// Runs `step` on the batch taken: captures it the first time. `generator`: what the step draws from, or undefined.
  virtual void run(const std::function<void(const Input&)>& step, const at::Generator& generator) = 0;
};

/// In step_graph_cuda.cpp, or device_cpu_only.cpp.
std::unique_ptr<StepGraph> make_step_graph();

}  // namespace millrace::train
