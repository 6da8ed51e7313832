#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "pipeline/contract.h"
#include "train/meter.h"

namespace millrace::train {

/// Books on a device's own time line: events cut it into phases, and where the device stood idle between two steps, what its thread did
/// just before the next step says why (book_idle). Events are read `lag` steps later, so that no step waits for the device; that also keeps
/// the thread at most `lag` steps ahead. Marks before start() are borne: they are forgotten by it.
///
/// Steps lie in a ring. Up to lag + 1 of them are open (begun and not settled), and the end of the step before the oldest of these is still
/// needed: lag + 2 places, and a step may begin only while at most `lag` are open.
///
/// TimeLine, whose calls may throw (CudaMeter translates at its door):
///   Event                              moves; default-constructed events may be recorded; costs nothing until it is;
///   void record(Event&)                marks the end of all work so far;
///   void wait_for(const Event&)        returns once the device has passed it;
///   double seconds(const Event& from, const Event& to)   of two events that the device has passed;
///   void synchronize()                 waits for all work;
///   SteadyClock::time_point now().
/// Threads: the trainer's.
template <class TimeLine>
class EventMeter : public Meter {
 public:
  explicit EventMeter(TimeLine line, std::size_t lag = 2) : line_(std::move(line)), lag_(lag), ring_(lag + 2) {
    for (Step& step : ring_) step.events.resize(1);
  }

  void start() override {
    last_ = line_.now();
    line_.synchronize();
    pending_.clear();
    phases_ = {};
    begun_ = settled_ = 0;
    begin(); // On an idle device: the time line starts now.
    settled_until_ = line_.now();
  }
  void host(Phase phase) override {
    const auto now = line_.now();
    pending_.push_back({phase, seconds_between(last_, now)});
    trace_host(phase, last_, now);
    last_ = now;
  }
  void step_begins() override {
    settle_all_but(lag_); // Waiting here is no stretch of its own: the device is at work.
    begin();
    last_ = line_.now();
  }
  void device(Phase phase) override {
    if (begun_ == 0) step_begins();
    Step& step = place(begun_ - 1);
    if (step.marks == step.phases.size()) {
      step.phases.push_back(phase);
      step.events.emplace_back();
    }
    step.phases[step.marks] = phase;
    line_.record(step.events[++step.marks]);
    last_ = line_.now();
  }
  void step_ends() override {}
  Phases stop() override {
    line_.synchronize();
    settle_all_but(0); // First, or the empty step would take the place of an end that is still to be read.
    begin();           // An empty step on an idle device: what lies before it is what the thread did last.
    settle_all_but(0);
    return phases_;
  }
  Phases so_far() const override { return phases_; }

 private:
  using Event = typename TimeLine::Event;
  struct Step {
    std::vector<Event> events; ///< Its beginning, then the end of each phase; as many as a step ever had.
    std::vector<Phase> phases;
    std::size_t marks = 0;
    std::vector<Stretch> before; ///< What the thread did since the step before.
  };
  Step& place(std::uint64_t step) { return ring_[step % ring_.size()]; }

  void begin() {
    contract(begun_ - settled_ <= lag_, "a step begins while the end of an unread one lies in its place");
    Step& step = place(begun_++);
    step.marks = 0;
    step.before.swap(pending_);
    pending_.clear();
    line_.record(step.events[0]);
  }
  void settle_all_but(std::size_t open) {
    while (settled_ + open < begun_) settle(settled_++);
  }
  /// Adds what lies between the end of the step before and the end of this one.
  void settle(std::uint64_t index) {
    Step& step = place(index);
    line_.wait_for(step.events[step.marks]);
    if (index > 0) {
      const Step& before = place(index - 1);
      const double idle = line_.seconds(before.events[before.marks], step.events[0]);
      book_idle(step.before, idle, phases_);
      settled_until_ += duration(idle);
    }
    for (std::size_t i = 0; i < step.marks; ++i) {
      const double seconds = line_.seconds(step.events[i], step.events[i + 1]);
      part_of(phases_, step.phases[i]) += seconds;
      trace_next(step.phases[i], seconds);
    }
  }
  /// What the device did next on its time line, which began on an idle device at a time known on the host's clock.
  void trace_next(Phase phase, double seconds) {
    const auto begin = settled_until_;
    settled_until_ += duration(seconds);
    trace_device(phase, begin, settled_until_);
  }
  static SteadyClock::duration duration(double seconds) {
    return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  }

  TimeLine line_;
  const std::size_t lag_;
  std::vector<Step> ring_;
  std::uint64_t begun_ = 0, settled_ = 0; ///< Steps since start; step 0 is the empty one that marks the start.
  std::vector<Stretch> pending_;
  SteadyClock::time_point last_, settled_until_; ///< The latter: the end of the last settled step, on the host's clock.
  Phases phases_;
};

}  // namespace millrace::train
