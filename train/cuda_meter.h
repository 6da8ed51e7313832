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
  CudaTimeLine(c10::cuda::CUDAStream stream, Collective* ranks) : stream_(stream), ranks_(ranks) {}
  void record(Event& event) { event.record(stream_); }
  void wait_for(const Event& event) { train::wait_for(event, ranks_); }
  double seconds(const Event& from, const Event& to) const { return from.elapsed_time(to) * 1e-3; }
  void synchronize() { train::wait_for(stream_, ranks_); }
  SteadyClock::time_point now() const { return SteadyClock::now(); }

 private:
  c10::cuda::CUDAStream stream_;
  Collective* ranks_;
};

/// Books on a GPU's own time line.
/// Errors:  Error(device).
class CudaMeter final : public EventMeter<CudaTimeLine> {
 public:
  /// `ranks`, null for an only one, are watched while this waits for the device; they must outlive it.
  explicit CudaMeter(c10::cuda::CUDAStream stream, Collective* ranks = nullptr) : EventMeter(CudaTimeLine(stream, ranks)) {}
  void start() override;
  void step_begins() override;
  void device(Phase phase) override;
  Phases stop() override;
};

}  // namespace millrace::train
