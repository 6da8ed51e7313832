#pragma once
#include "train/cuda_wait.h"
#include "train/event_meter.h"

namespace millrace::train {

/// One stream of a GPU, as EventMeter cuts it.
class CudaTimeLine {
 public:
  struct Event : c10::cuda::CUDAEvent {
    Event() noexcept : CUDAEvent(kBlocking) {} // With timing.
  };
  explicit CudaTimeLine(c10::cuda::CUDAStream stream) : stream_(stream) {}
  void record(Event& event) { event.record(stream_); }
  void wait_for(const Event& event) { train::wait_for(event); }
  double seconds(const Event& from, const Event& to) const { return from.elapsed_time(to) * 1e-3; }
  void synchronize() { train::wait_for(stream_); }
  SteadyClock::time_point now() const { return SteadyClock::now(); }

 private:
  c10::cuda::CUDAStream stream_;
};

/// Books on a GPU's own time line.
/// Errors:  Error(device).
class CudaMeter final : public EventMeter<CudaTimeLine> {
 public:
  explicit CudaMeter(c10::cuda::CUDAStream stream) : EventMeter(CudaTimeLine(stream)) {}
  void start() override;
  void step_begins() override;
  void device(Phase phase) override;
  Phases stop() override;
};

}  // namespace millrace::train
