#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/error.h"

namespace millrace {

/// A loader's worker threads, and the mail that wakes them (slots that came home). Between shifts they sleep in the kernel:
/// oneTBB's own idle threads pause and yield for a millisecond first, a quarter of a core beside a trainer of small batches. Contains no TBB, so that the thread sanitizer can judge it.
/// Threads: `send` and `call` from any; `collect` from a shift.
/// Errors:  the constructor throws Error(usage) where the system gives no more threads.
template <class T>
class Workers {
 public:
  /// `shift` runs on every thread that was woken, and returns when it finds no more to do; it must not throw. What is sent while a
  /// shift runs is either collected by it or begins another.
  Workers(int threads, std::function<void()> shift) : shift_(std::move(shift)) {
    try {
      for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    } catch (const std::system_error& e) {
      const std::size_t had = threads_.size();
      dismiss();
      throw Error(ErrorKind::usage, "the system gives only " + std::to_string(had) + " of " + std::to_string(threads) + " worker threads: " + e.what(),
                  "ask for fewer loader.workers");
    }
  }
  ~Workers() { dismiss(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Leaves mail, and wakes a thread if one sleeps.
  void send(T mail) {
    {
      std::lock_guard lock(mutex_);
      mail_.push_back(std::move(mail));
      has_mail_.store(true, std::memory_order_relaxed);
      if (asleep_ == 0) return;
    }
    wake_.notify_one();
  }
  /// Hands each piece of mail to `take`. Costs one relaxed load where there is none.
  template <class Take>
  void collect(Take&& take) {
    if (!has_mail_.load(std::memory_order_relaxed)) return;
    std::vector<T> mail;
    {
      std::lock_guard lock(mutex_);
      mail.swap(mail_);
      has_mail_.store(false, std::memory_order_relaxed);
    }
    for (T& piece : mail) take(std::move(piece));
  }
  /// Wakes up to `helpers` threads that sleep.
  void call(int helpers) {
    {
      std::lock_guard lock(mutex_);
      helpers = std::min(helpers, asleep_ - called_);
      if (helpers <= 0) return;
      called_ += helpers;
    }
    for (; helpers > 0; --helpers) wake_.notify_one();
  }
  /// Waits for running shifts and ends the threads.
  void dismiss() {
    {
      std::lock_guard lock(mutex_);
      dismissed_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (!dismissed_ && mail_.empty() && called_ == 0) {
        ++asleep_;
        wake_.wait(lock, [this] { return dismissed_ || !mail_.empty() || called_ > 0; });
        --asleep_;
      }
      if (dismissed_) return;
      if (called_ > 0) --called_;
      lock.unlock();
      shift_();
      lock.lock();
    }
  }

  const std::function<void()> shift_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<T> mail_;
  std::atomic<bool> has_mail_{false};
  int asleep_ = 0, called_ = 0;
  bool dismissed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace millrace
