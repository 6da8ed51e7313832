#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "experiments/assemble.h"
#include "experiments/last_resort.h"
#include "train/api.h"

namespace millrace {

/// The ranks of a run that live in this process: all of them (threads), or the one that this process is.
struct Ranks {
  std::vector<std::shared_ptr<train::World>> worlds;  ///< By local rank; empty: the only rank.
  int nodes = 1;
  int on_machine = 1;  ///< Processes that are ranks and share this one's memory, itself counted,
  int on_cores = 1;    ///< and those of them that share its cores.
  std::string device = {};  ///< Of a joined rank with a GPU of its own; empty: as the spec says.

  RankShape shape() const;
  bool first() const { return worlds.empty() || worlds[0]->rank() == 0; }  ///< Whether rank 0, which writes records, is here.
};

/// As many ranks as the spec asks for, all in this process. Errors: Error(usage).
Ranks local_ranks(const Spec& spec, const train::Api& api);

/// A thread for each rank of this process; with one rank, the caller's.
/// A rank that throws ends the others' waiting; when all have ended, the first cause is thrown again, an error that ranks had of one
/// another only where there is no other. A rank that does not end within `patience` after another failed is stuck for good: the
/// process says so and ends with status 5, since a thread cannot be taken away.
/// Threads: one caller.
class RankThreads {
 public:
  explicit RankThreads(const Ranks& ranks, std::chrono::seconds patience = std::chrono::seconds(10));
  ~RankThreads();
  RankThreads(const RankThreads&) = delete;
  RankThreads& operator=(const RankThreads&) = delete;

  void run(const std::function<void(std::size_t local_rank)>& work);

 private:
  void serve(std::size_t local_rank);
  void attempt(std::size_t local_rank);
  [[noreturn]] void end_with(std::size_t stuck) const;

  const Ranks& ranks_;
  const std::chrono::seconds patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::uint64_t round_ = 0;
  std::size_t running_ = 0;
  std::vector<char> inside_;
  bool quit_ = false;
  std::exception_ptr failure_;
  bool failed_by_itself_ = false;  ///< failure_ is not one that ranks had of one another.
  std::vector<std::thread> threads_;
};

/// The ranks of this process with their trainers.
struct Crew {
  const Ranks& ranks;
  LastResort last_resort;  ///< Of ranks that have lost one another, whose devices may hang.
  std::vector<std::unique_ptr<train::Trainer>> trainers;  ///< By local rank.
  RankThreads threads;

  explicit Crew(const Ranks& r) : ranks(r), trainers(std::max<std::size_t>(1, r.worlds.size())), threads(r) {}
  /// As RankThreads::run. Errors: the same.
  void run(const std::function<void(std::size_t local_rank)>& work);
};

}  // namespace millrace
