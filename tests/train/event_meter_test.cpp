#include "train/event_meter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

// The ring of steps on a device that is a few numbers: each call of a real one is modelled by when it may be made and by what it costs.
namespace millrace::testing {
namespace {

using train::Phase;
using train::Phases;

constexpr double kEventSeconds = 2e-6; ///< From the record of an event until it can be read: never none, as on a GPU.

/// The clocks of a thread and of its device, which works through what it was given.
struct Machine {
  double thread = 0, device = 0; ///< Now; and when the device will have done all it was given.
  void thread_for(double seconds) { thread += seconds; }
  void launch(double seconds) { device = std::max(device, thread) + seconds; }
};

class FakeTimeLine {
 public:
  struct Event {
    double at = -1; ///< When the device passes it; below 0: never recorded.
  };
  explicit FakeTimeLine(Machine& machine) : machine_(&machine) {}
  void record(Event& event) { machine_->launch(kEventSeconds), event.at = machine_->device; }
  void wait_for(const Event& event) {
    if (event.at < 0) throw std::logic_error("an event that was never recorded is waited for");
    machine_->thread = std::max(machine_->thread, event.at);
  }
  double seconds(const Event& from, const Event& to) const {
    if (from.at < 0 || to.at < 0) throw std::logic_error("an event that was never recorded is read");
    if (std::max(from.at, to.at) > machine_->thread) throw std::logic_error("an event is read that the device has not passed");
    if (to.at < from.at) throw std::logic_error("an event is read after its place was taken");
    return to.at - from.at;
  }
  void synchronize() { machine_->thread = std::max(machine_->thread, machine_->device); }
  SteadyClock::time_point now() const {
    return SteadyClock::time_point(std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(machine_->thread)));
  }

 private:
  Machine* machine_;
};

/// A trainer's marks around steps whose parts take the given seconds.
struct Loop {
  double wait = 0, upload = 0, forward = 0, backward = 0;
  Machine machine;

  void step(train::Meter& meter) {
    machine.thread_for(wait), meter.host(Phase::wait);
    machine.thread_for(upload), meter.host(Phase::upload);
    meter.step_begins();
    machine.launch(forward), meter.device(Phase::forward);
    machine.launch(backward), meter.device(Phase::backward);
    meter.step_ends();
  }
  /// What an epoch of `steps` books, and leaves unbooked.
  Phases epoch(train::Meter& meter, int steps, double& unbooked) {
    const double began = machine.thread;
    meter.start();
    for (int i = 0; i < steps; ++i) step(meter);
    const Phases phases = meter.stop();
    unbooked = machine.thread - began - phases.sum();
    return phases;
  }
};

Loop device_bound() { return {.wait = 0.001, .upload = 0.001, .forward = 0.010, .backward = 0.020, .machine = {}}; }
Loop loader_bound() { return {.wait = 0.050, .upload = 0.002, .forward = 0.003, .backward = 0.004, .machine = {}}; }

/// Three epochs one after the other, on one meter.
void expect_closed_books(Loop loop, std::size_t lag, int steps) {
  train::EventMeter<FakeTimeLine> meter(FakeTimeLine(loop.machine), lag);
  for (int epoch = 0; epoch < 3; ++epoch) {
    double unbooked = 0;
    const Phases phases = loop.epoch(meter, steps, unbooked);
    EXPECT_NEAR(phases.forward, steps * (loop.forward + kEventSeconds), 1e-9);
    EXPECT_NEAR(phases.backward, steps * (loop.backward + kEventSeconds), 1e-9);
    EXPECT_NEAR(unbooked, 0, (steps + 2) * 4 * kEventSeconds) << "lag " << lag << ", " << steps << " steps";
  }
}

TEST(EventMeter, ClosesTheBooksOfAnyNumberOfStepsWithAnyRing) {
  for (std::size_t lag = 0; lag <= 5; ++lag)
    for (int steps = 0; steps <= 20; ++steps) {
      ASSERT_NO_THROW(expect_closed_books(device_bound(), lag, steps)) << "lag " << lag << ", " << steps << " steps";
      ASSERT_NO_THROW(expect_closed_books(loader_bound(), lag, steps)) << "lag " << lag << ", " << steps << " steps";
    }
}

TEST(EventMeter, BooksWhatTheThreadDidWhileItsDeviceStoodIdle) {
  Loop loop = loader_bound();
  train::EventMeter<FakeTimeLine> meter{FakeTimeLine(loop.machine)};
  double unbooked = 0;
  const Phases phases = loop.epoch(meter, 10, unbooked);
  // Each wait is as long as it was, but for what the device still worked of the step before: 7 ms of nine.
  EXPECT_NEAR(phases.wait, 10 * 0.050 - 9 * 0.007, 1e-3);
  EXPECT_NEAR(phases.upload, 10 * 0.002, 1e-4);
}

TEST(EventMeter, KeepsTheThreadAtMostItsLagAhead) {
  for (std::size_t lag = 0; lag <= 4; ++lag) {
    Loop loop = device_bound();
    train::EventMeter<FakeTimeLine> meter(FakeTimeLine(loop.machine), lag);
    meter.start();
    for (int i = 0; i < 20; ++i) {
      loop.step(meter);
      EXPECT_LE(loop.machine.device - loop.machine.thread, static_cast<double>(lag + 1) * 0.031);
    }
  }
}

TEST(EventMeter, BearsMarksBeforeItsStartAndForgetsThem) {
  for (int before = 0; before <= 20; ++before) {
    Loop loop = device_bound();
    train::EventMeter<FakeTimeLine> meter{FakeTimeLine(loop.machine)};
    if (before % 2) meter.device(Phase::other); // Even outside of a step.
    ASSERT_NO_THROW(for (int i = 0; i < before; ++i) loop.step(meter)) << before << " steps before";
    double unbooked = 0;
    const Phases phases = loop.epoch(meter, 5, unbooked);
    EXPECT_NEAR(phases.forward, 5 * (loop.forward + kEventSeconds), 1e-9) << before << " steps before";
    EXPECT_EQ(phases.other, 0);
  }
}

TEST(EventMeter, StopsWhereNothingWasStarted) {
  Loop loop = device_bound();
  train::EventMeter<FakeTimeLine> meter{FakeTimeLine(loop.machine)};
  for (int i = 0; i < 7; ++i) loop.step(meter);
  EXPECT_NO_THROW(meter.stop());
}

}  // namespace
}  // namespace millrace::testing
