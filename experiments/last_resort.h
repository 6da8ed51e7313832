#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace millrace {

/// Ends the process where its end takes too long. A device that hangs is waited for by whatever frees its memory, in the driver, and nothing
/// but the process's end ends that. Make it first of what may hang, so that it is destroyed last: from then on the process ends by itself.
/// Threads: one caller; one for itself once begun.
class LastResort {
 public:
  LastResort() = default;
  ~LastResort();
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

  /// From now on this has `patience` to be destroyed. Then `cause` is said on stderr and the exit code is 5.
  void begin(const std::string& cause, std::chrono::milliseconds patience);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace millrace
