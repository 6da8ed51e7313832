#include "experiments/last_resort.h"

#include <unistd.h>

#include <cstdio>

#include "pipeline/error.h"

namespace millrace {

LastResort::~LastResort() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LastResort::begin(const std::string& cause, std::chrono::milliseconds patience) {
  if (thread_.joinable()) return;
  thread_ = std::thread([this, cause, patience] {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, patience, [&] { return over_; })) return;
    std::fprintf(stderr, "millrace: %s; its device does not end, so the process does\n", cause.c_str());
    std::fflush(nullptr);
    _exit(exit_code(ErrorKind::communication));
  });
}

}  // namespace millrace
