#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace millrace {

/// "Ctrl-C" for SIGINT, otherwise the signal's name: "SIGTERM".
std::string name_of_signal(int signal);

/// Turns the signals that end a process into a stop request: SIGINT, SIGTERM, SIGHUP (not under nohup), SIGUSR2 and SIGXCPU. Made first
/// in main, before any other thread, because threads inherit the signal mask; what was blocked and arrived before that is handled then.
/// A second SIGINT or SIGTERM ends the process at once; so does a stop that takes longer than `patience`. SIGUSR1 stops nothing: it asks
/// for a report. SIGPIPE does nothing: who reads the notes does not decide how a run ends. Records are whole in either case: each line is
/// one write. Threads: made and destroyed by main; the other calls from any. Errors: std::system_error where no thread can be had.
class Signals {
 public:
  explicit Signals(std::chrono::milliseconds patience = std::chrono::milliseconds(500));
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  int received() const { return received_; }  ///< The signal's number, or 0.
  /// The work was done before a stop could change anything: its own exit code counts, whatever was received.
  void came_too_late() { too_late_ = true; }
  bool too_late() const { return too_late_; }
  /// What SIGUSR1 calls, on the signals' thread; it must not block. Empty: nothing.
  void on_report(std::function<void()> call);
  void extend_patience(std::chrono::milliseconds patience) { patience_ = patience; }  ///< For those who wait for others to stop.

 private:
  using Clock = std::chrono::steady_clock;
  void wait();
  int next(std::optional<Clock::time_point> end);
  std::atomic<std::chrono::milliseconds> patience_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::function<void()> report_;  ///< Under the mutex.
  std::atomic<int> received_{0};
  std::atomic<bool> done_{false}, too_late_{false};
  std::thread thread_;
};

}  // namespace millrace
