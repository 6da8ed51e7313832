#pragma once
#include <chrono>

#include "pipeline/clock.h"

namespace c10 {
struct Device;
}

namespace millrace::train {

class Collective;

namespace detail {
/// Asks Collective::check, where there are other ranks.
void check_ranks(Collective* ranks, double waited_seconds);
}  // namespace detail

/// Between two questions of a thread that has waited so long: first awake, since most waits are short, then asleep for a small part of what
/// was waited for already, which leaves the core to the loader.
void rest_after(double waited_seconds);

/// Waits until `done`, a question that itself waits for nothing: has an event been reached, is a stream empty. Every wait of a trainer for
/// its device is this one, and none is blind: `ranks`, where there are several, is asked again and again whether a peer is gone, whether the
/// network reports an error, and whether this has taken longer than the time-out. It is asked once more in the end, because an abort lets kernels
/// end that have not done their work. What blocks by itself (a copy to the host, item()) belongs behind such a wait.
/// Threads: any.
/// Errors:  Error(communication), what ended the run; those of `done`.
template <class Done>
void wait_for_device(Collective* ranks, Done&& done) {
  constexpr double kLongestRest = 1;  // Seconds. What took longer was this process itself asleep (Ctrl-Z), and counts for nothing.
  double waited = 0;
  for (auto last = SteadyClock::now(); !done();) {
    detail::check_ranks(ranks, waited);
    rest_after(waited);
    const auto now = SteadyClock::now();
    if (const double seconds = seconds_between(last, now); seconds < kLongestRest) waited += seconds;
    last = now;
  }
  detail::check_ranks(ranks, 0);
}

/// The same for all that the thread's current stream of `where` was given so far; on the CPU there is nothing to wait for.
void wait_for_current_stream(Collective* ranks, const c10::Device& where);

}  // namespace millrace::train
