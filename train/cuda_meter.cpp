#include "train/cuda_meter.h"

#include "train/torch_headers.h"

namespace millrace::train {

void CudaMeter::start() {
  last_ = SteadyClock::now();
  stream_.synchronize();
  for (Step& step : ring_)
    if (step.events.empty()) step.events.emplace_back(cudaEventDefault); // Default: with timing.
  pending_.clear();
  phases_ = {};
  begun_ = settled_ = 0;
  begin(); // On an idle device: the time line starts now.
  settled_until_ = SteadyClock::now();
}

void CudaMeter::host(Phase phase) {
  const auto now = SteadyClock::now();
  pending_.push_back({phase, seconds_between(last_, now)});
  trace_host(phase, last_, now);
  last_ = now;
}

void CudaMeter::begin() {
  Step& step = ring_[begun_++ % kRing];
  step.marks = 0;
  step.before.swap(pending_);
  pending_.clear();
  record(step.events[0]);
}

void CudaMeter::step_begins() {
  // Waiting here is no stretch of its own: the device is at work.
  while (settled_ + kLag < begun_) settle(settled_++);
  begin();
  last_ = SteadyClock::now();
}

void CudaMeter::device(Phase phase) {
  Step& step = ring_[(begun_ - 1) % kRing];
  if (step.marks == step.phases.size()) {
    step.phases.push_back(phase);
    step.events.emplace_back(cudaEventDefault);
  }
  step.phases[step.marks] = phase;
  record(step.events[++step.marks]);
  last_ = SteadyClock::now();
}

/// Adds what lies between the end of the step before and the end of this one.
void CudaMeter::settle(std::uint64_t index) {
  Step& step = ring_[index % kRing];
  step.events[step.marks].synchronize();
  if (index > 0) {
    const Step& before = ring_[(index - 1) % kRing];
    const double idle = before.events[before.marks].elapsed_time(step.events[0]) * 1e-3;
    book_idle(step.before, idle, phases_);
    settled_until_ += std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(idle));
  }
  for (std::size_t i = 0; i < step.marks; ++i) {
    const double seconds = step.events[i].elapsed_time(step.events[i + 1]) * 1e-3;
    part_of(phases_, step.phases[i]) += seconds;
    trace_next(step.phases[i], seconds);
  }
}

/// What the device did next on its time line, which began on an idle device at a time known on the host's clock.
void CudaMeter::trace_next(Phase phase, double seconds) {
  const auto begin = settled_until_;
  settled_until_ += std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  trace_device(phase, begin, settled_until_);
}

Phases CudaMeter::stop() {
  stream_.synchronize();
  begin(); // An empty step on an idle device: what lies before it is what the thread did last.
  while (settled_ < begun_) settle(settled_++);
  return phases_;
}

}  // namespace millrace::train
