#include "train/device_wait.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/prctl.h>

#include <algorithm>
#include <thread>

#include "train/collective.h"

namespace millrace::train {
namespace {

/// A sleep ends up to 50 us late by default, which is longer than the sleep itself.
void wake_on_time() {
  thread_local const int once = prctl(PR_SET_TIMERSLACK, 1000);  // Nanoseconds.
  static_cast<void>(once);
}

}  // namespace

void detail::check_ranks(Collective* ranks, double waited_seconds) {
  if (ranks) ranks->check(waited_seconds);
}

void rest_after(double waited_seconds) {
  constexpr double kAwake = 100e-6, kShortest = 20e-6, kLongest = 1e-3;
  if (waited_seconds < kAwake) return __builtin_ia32_pause();
  wake_on_time();
  std::this_thread::sleep_for(std::chrono::duration<double>(std::clamp(waited_seconds / 32, kShortest, kLongest)));
}

void wait_for_current_stream(Collective* ranks, const c10::Device& where) {
  if (where.is_cpu()) return;
  const c10::DeviceGuard on(where);  // Ending the event goes back to what was current before, and would make a context there.
  const c10::impl::VirtualGuardImpl guard(where.type());
  c10::Event passed(where.type());
  passed.record(guard.getStream(where));
  wait_for_device(ranks, [&] { return passed.query(); });
}

std::shared_ptr<Collective> collective_of(const TrainOptions& options) {
  return options.world && options.world->size() > 1 ? std::dynamic_pointer_cast<Collective>(options.world) : nullptr;
}

}  // namespace millrace::train
