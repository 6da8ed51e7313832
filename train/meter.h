#pragma once
#include <algorithm>
#include <ranges>
#include <span>

#include "pipeline/activity.h"
#include "pipeline/trace.h"
#include "train/api.h"

namespace millrace::train {

enum class Phase : std::uint8_t { wait, upload, forward, backward, reduce, optimizer, other };

constexpr const char* name_of(Phase phase) {
  constexpr const char* names[] = {"wait", "upload", "forward", "backward", "reduce", "optimizer", "other"};
  return names[static_cast<int>(phase)];
}

inline double& part_of(Phases& phases, Phase phase) {
  switch (phase) {
    case Phase::wait: return phases.wait;
    case Phase::upload: return phases.upload;
    case Phase::forward: return phases.forward;
    case Phase::backward: return phases.backward;
    case Phase::reduce: return phases.reduce;
    case Phase::optimizer: return phases.optimizer;
    case Phase::other: break;
  }
  return phases.other;
}

/// What a trainer's thread did for a while.
struct Stretch {
  Phase phase = Phase::other;
  double seconds = 0;
};

/// Books the time that a device stood idle before a step to what its thread did meanwhile: the last stretches before the
/// step, as many seconds of them as the device was idle. Idle time beyond them is booked nowhere: it is unaccounted.
inline void book_idle(std::span<const Stretch> before_step, double idle_seconds, Phases& phases) {
  for (const Stretch& stretch : before_step | std::views::reverse) {
    const double part = std::min(stretch.seconds, std::max(0.0, idle_seconds));
    part_of(phases, stretch.phase) += part;
    idle_seconds -= part;
  }
}

/// Keeps the books of one trainer: every mark ends a stretch of time and says what it was spent on. Two kinds of marks,
/// since a GPU works on while its thread is elsewhere: `host` for what the thread did, `device` for what the step did.
/// Threads: the trainer's.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void start() = 0;             ///< Opens the books; waits for the device first.
  virtual void host(Phase phase) = 0;   ///< The thread's time since its last mark.
  virtual void step_begins() = 0;
  virtual void device(Phase phase) = 0; ///< The device's time since its last mark within the step.
  virtual void step_ends() = 0;
  virtual Phases stop() = 0;            ///< Waits for the device and closes the books.
  virtual Phases so_far() const = 0;    ///< Since start(); of a GPU what was settled, which is some steps ago.

  /// Every stretch that is booked is a span of these lanes from here on; they may be one. Not with open books.
  void trace_on(TraceLane& host, TraceLane& device) { host_lane_ = &host, device_lane_ = &device; }

  static constexpr unsigned kRests = 0, kEvaluates = 1, kPhases = 2; ///< Kinds of doing(); from kPhases on: a Phase.
  const Activity& doing() const { return doing_; }                   ///< Its number: epoch << 40 | step. From any thread.
  void enters(Phase phase) { doing_.set(kPhases + static_cast<unsigned>(phase), at_, SteadyClock::now()); }
  void evaluates() { doing_.set(kEvaluates, at_ = 0, SteadyClock::now()); }
  void rests() { doing_.set(kRests, at_ = 0, SteadyClock::now()); }
  void at(std::uint64_t epoch, std::uint64_t step) { at_ = (epoch & 0xFFFFF) << 40 | (step & ((std::uint64_t{1} << 40) - 1)); }

 protected:
  /// A stretch of the thread's time, or of the device's.
  void trace_host(Phase phase, SteadyClock::time_point begin, SteadyClock::time_point end) const {
    if (host_lane_) host_lane_->span(name_of(phase), begin, end, TraceEvent::Of::step, at_ & ((std::uint64_t{1} << 40) - 1));
  }
  /// Without the step's number: the thread is ahead of its device.
  void trace_device(Phase phase, SteadyClock::time_point begin, SteadyClock::time_point end) const {
    if (device_lane_) device_lane_->span(name_of(phase), begin, end);
  }

 private:
  TraceLane *host_lane_ = nullptr, *device_lane_ = nullptr;
  Activity doing_;
  std::uint64_t at_ = 0;
};

/// For devices that compute in the trainer's thread: one clock serves both kinds of marks.
class HostMeter final : public Meter {
 public:
  void start() override {
    phases_ = {};
    last_ = SteadyClock::now();
  }
  void host(Phase phase) override {
    const auto now = SteadyClock::now();
    part_of(phases_, phase) += seconds_between(last_, now);
    trace_host(phase, last_, now);
    last_ = now;
  }
  void step_begins() override {}
  void device(Phase phase) override { host(phase); }
  void step_ends() override {}
  Phases stop() override { return phases_; }
  Phases so_far() const override { return phases_; }

 private:
  Phases phases_;
  SteadyClock::time_point last_;
};

}  // namespace millrace::train
