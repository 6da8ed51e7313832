#pragma once
#include <c10/cuda/CUDAEvent.h>

#include <array>
#include <vector>

#include "train/meter.h"

namespace millrace::train {

/// Books on the GPU's own time line: events cut it into phases, and where the GPU stood idle between two steps, what its
/// thread did just before the next step says why (book_idle). Events are read two steps later, so that nothing waits for
/// the device in every step; that also keeps the thread at most two steps ahead.
class CudaMeter final : public Meter {
 public:
  explicit CudaMeter(c10::cuda::CUDAStream stream) : stream_(stream) {}
  void start() override;
  void host(Phase phase) override;
  void step_begins() override;
  void device(Phase phase) override;
  void step_ends() override {}
  Phases stop() override;
  Phases so_far() const override { return phases_; }

 private:
  static constexpr std::size_t kRing = 4, kLag = 2; // The end of the step before the one being read must still be there.
  struct Step {
    std::vector<c10::cuda::CUDAEvent> events; ///< Its beginning, then the end of each phase; as many as a step ever had.
    std::vector<Phase> phases;
    std::size_t marks = 0;
    std::vector<Stretch> before; ///< What the thread did since the step before.
  };
  void record(c10::cuda::CUDAEvent& event) { event.record(stream_); }
  void begin();
  void settle(std::uint64_t step);
  void trace_next(Phase phase, double seconds);

  c10::cuda::CUDAStream stream_;
  std::array<Step, kRing> ring_;
  std::uint64_t begun_ = 0, settled_ = 0; ///< Steps since start; step 0 is the empty one that marks the start.
  std::vector<Stretch> pending_;
  SteadyClock::time_point last_, settled_until_; ///< The latter: the end of the last settled step, on the host's clock.
  Phases phases_;
};

}  // namespace millrace::train
