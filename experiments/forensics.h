#pragma once
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "pipeline/loader.h"
#include "train/api.h"

namespace millrace {

/// Says where everything is: each loader's workers, slots and queues, and what each trainer is doing. Whenever `report` is called
/// (SIGUSR1), and by itself when a trainer has waited for a batch for longer than its loader's limit; again after twice as long, four
/// times and so on, until there is a batch. Stops nothing and ends nothing.
/// Threads: any; prints from a thread of its own, which begins with the first use.
class Forensics {
 public:
  /// `print` gets whole texts of several lines.
  explicit Forensics(std::function<void(const std::string&)> print) : print_(std::move(print)) {}
  ~Forensics();
  Forensics(const Forensics&) = delete;
  Forensics& operator=(const Forensics&) = delete;

  void report() noexcept;  ///< Soon; waits for nothing.

  class Watched;

 private:
  struct Subject {
    std::string name;
    const Loader* loader = nullptr;  ///< One of the two.
    const train::Trainer* trainer = nullptr;
    double limit_seconds = 0;        ///< Of a wait for a batch; 0: none.
    double next_seconds = 0;         ///< Of this wait: when it is told next.
  };
  void start();
  void run();
  std::string stalls();
  std::string state() const;

  const std::function<void(const std::string&)> print_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Subject> subjects_;
  bool asked_ = false, quit_ = false;
  std::thread thread_;
};

/// Part of what is told, for as long as it lives; `forensics` may be null. The loader or trainer must outlive it.
class Forensics::Watched {
 public:
  Watched(Forensics* forensics, const Loader& loader, const std::string& name, double limit_seconds);
  Watched(Forensics* forensics, const train::Trainer& trainer, int rank);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  void add(Subject subject);
  Forensics* const forensics_;
  std::list<Subject>::iterator at_;
};

/// A line for each worker, slot and queue.
std::string text_of(const LoaderSnapshot& now);

}  // namespace millrace
