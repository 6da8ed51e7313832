#include "experiments/signals.h"

#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>

namespace millrace {
namespace {

/// All but SIGUSR1 ask for a stop: the user, a scheduler, a terminal that was closed, a scheduler's early warning, a spent CPU limit.
constexpr int kWatched[] = {SIGUSR1, SIGINT, SIGTERM, SIGHUP, SIGUSR2, SIGXCPU};

/// A blocked signal is kept even where it is ignored: what nohup ignores must be left out here.
bool ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kWatched)
    if (signal != SIGHUP || !ignored(signal)) sigaddset(&set, signal);
  return set;
}

/// Whoever sends one of these twice is in a hurry; the others may be repeated by the kernel, or come before them.
bool hurries(int signal) { return signal == SIGINT || signal == SIGTERM; }

/// Writes to a reader that is gone, or beyond `ulimit -f`, fail, and that is all. No SIG_IGN: programs that are started from here would
/// inherit it.
void survive_failed_writes() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  for (const int signal : {SIGPIPE, SIGXFSZ}) sigaction(signal, &nothing, nullptr);
}

}  // namespace

std::string name_of_signal(int signal) {
  if (signal == SIGINT) return "Ctrl-C";
  const char* word = sigabbrev_np(signal);
  return word ? "SIG" + std::string(word) : "signal " + std::to_string(signal);
}

Signals::Signals(std::chrono::milliseconds patience) : patience_(patience) {
  survive_failed_writes();
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

/// The next signal that is no question; -1 once `end` is over.
int Signals::next(std::optional<Clock::time_point> end) {
  const sigset_t set = watched();
  for (;;) {
    const auto left = end ? std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(*end - Clock::now()).count()) : 0;
    const timespec rest{left / 1'000'000'000, left % 1'000'000'000};
    const int signal = end ? sigtimedwait(&set, nullptr, &rest) : sigwaitinfo(&set, nullptr);
    if (signal == SIGUSR1) {
      std::lock_guard lock(mutex_);
      if (report_) report_();
    } else if (signal > 0 || (end && errno == EAGAIN)) {
      return signal;
    }
  }
}

void Signals::wait() {
  const int signal = next({});
  if (done_) return;
  received_ = signal;
  // On a thread of its own: a callback that blocks must not make this one deaf.
  try {
    std::thread([stop = stop_]() mutable { stop.request_stop(); }).detach();
  } catch (const std::system_error&) {
    stop_.request_stop();
  }
  const auto end = Clock::now() + patience_.load();
  for (bool hurried = hurries(signal); !done_;) {
    const int more = next(end);
    if (more < 0 || (hurries(more) && std::exchange(hurried, true))) break;
  }
  if (done_) return;
  constexpr char kText[] = "millrace: ended at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(128 + signal);
}

}  // namespace millrace
