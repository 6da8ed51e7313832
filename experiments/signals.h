#pragma once
#include <atomic>
#include <chrono>
#include <ctime>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace millrace {

/// Turns SIGINT and SIGTERM into a stop request. Made first in main, before any other thread, because threads inherit the
/// signal mask; what was blocked and arrived before that is handled then. A second signal ends the process at once; so does a stop that
/// takes longer than `patience`. SIGUSR1 stops nothing: it asks for a report. Records are whole in either case: each line is one write. Threads: made and destroyed by main; token() and
/// received() from any. Errors: std::system_error where no thread can be had.
class Signals {
 public:
  explicit Signals(std::chrono::milliseconds patience = std::chrono::milliseconds(500));
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  int received() const { return received_; }  ///< The signal's number, or 0.
  /// What SIGUSR1 calls, on the signals' thread; it must not block. Empty: nothing.
  void on_report(std::function<void()> call);
  void extend_patience(std::chrono::milliseconds patience) { patience_ = patience; }  ///< For those who wait for others to stop.

 private:
  void wait();
  int next(const timespec* limit);
  std::atomic<std::chrono::milliseconds> patience_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::function<void()> report_;  ///< Under the mutex.
  std::atomic<int> received_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace millrace
