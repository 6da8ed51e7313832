#include "experiments/signals.h"

#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <algorithm>
#include <cstdint>
#include <system_error>

namespace millrace {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  return set;
}

}  // namespace

Signals::Signals(std::chrono::milliseconds patience) : patience_(patience) {
  const sigset_t set = watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { wait(); });
}

Signals::~Signals() {
  done_ = true;
  // A thread-directed signal wakes the waiter; nobody else can receive it.
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void Signals::on_report(std::function<void()> call) {
  std::lock_guard lock(mutex_);
  report_ = std::move(call);
}

/// The next signal that is no question; -1 once `limit` is over.
int Signals::next(const timespec* limit) {
  using Clock = std::chrono::steady_clock;
  const sigset_t set = watched();
  const auto end = limit ? Clock::now() + std::chrono::seconds(limit->tv_sec) + std::chrono::nanoseconds(limit->tv_nsec) : Clock::time_point();
  for (;;) {
    const auto left = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(end - Clock::now()).count());
    const timespec rest{left / 1'000'000'000, left % 1'000'000'000};
    const int signal = limit ? sigtimedwait(&set, nullptr, &rest) : sigwaitinfo(&set, nullptr);
    if (signal == SIGUSR1) {
      std::lock_guard lock(mutex_);
      if (report_) report_();
    } else if (signal > 0 || (limit && errno == EAGAIN)) {
      return signal;
    }
  }
}

void Signals::wait() {
  const int signal = next(nullptr);
  if (done_) return;
  received_ = signal;
  // On a thread of its own: a callback that blocks must not make this one deaf.
  try {
    std::thread([stop = stop_]() mutable { stop.request_stop(); }).detach();
  } catch (const std::system_error&) {
    stop_.request_stop();
  }
  const auto patience = patience_.load();
  const timespec limit{patience.count() / 1000, (patience.count() % 1000) * 1'000'000};
  next(&limit);
  if (done_) return;
  constexpr char kText[] = "millrace: ended at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(128 + signal);
}

}  // namespace millrace
