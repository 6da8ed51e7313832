#include "experiments/signals.h"

#include <unistd.h>
#include <csignal>
#include <ctime>
#include <system_error>

namespace millrace {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
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

void Signals::wait() {
  const sigset_t set = watched();
  int signal = 0;
  sigwait(&set, &signal);
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
  sigtimedwait(&set, nullptr, &limit);
  if (done_) return;
  constexpr char kText[] = "millrace: ended at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(128 + signal);
}

}  // namespace millrace
