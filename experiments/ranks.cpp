#include "experiments/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "pipeline/error.h"

namespace millrace {

RankShape Ranks::shape() const {
  if (worlds.empty()) return {};
  return {.size = worlds[0]->size(), .first = worlds[0]->rank(), .local = static_cast<int>(worlds.size()), .nodes = nodes};
}

Ranks local_ranks(const Spec& spec, const train::Api& api) {
  if (mode_of(spec.train) != Mode::ddp || spec.train.ranks < 2) return {};
  return {.worlds = api.local_worlds(spec.train.ranks, spec.train.peer_timeout)};
}

RankThreads::RankThreads(const Ranks& ranks, std::chrono::seconds patience) : ranks_(ranks), patience_(patience), inside_(ranks.worlds.size()) {
  for (std::size_t r = 0; ranks.worlds.size() > 1 && r < ranks.worlds.size(); ++r) threads_.emplace_back([this, r] { serve(r); });
}

RankThreads::~RankThreads() {
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RankThreads::attempt(std::size_t r) {
  const auto keep = [&](bool by_itself) {
    std::lock_guard lock(mutex_);
    if (!failure_ || (by_itself && !failed_by_itself_)) {
      failure_ = std::current_exception();
      failed_by_itself_ = by_itself;
    }
  };
  const auto end_others = [&](const std::string& what) {
    if (!ranks_.worlds.empty()) ranks_.worlds[r]->abort("rank " + std::to_string(ranks_.worlds[r]->rank()) + ": " + what);
  };
  try {
    (*work_)(r);
  } catch (const Error& e) {
    keep(e.kind() != ErrorKind::communication);
    end_others(e.what());
  } catch (const std::exception& e) {
    keep(true);
    end_others(e.what());
  }
}

void RankThreads::serve(std::size_t r) {
  std::unique_lock lock(mutex_);
  for (std::uint64_t done = 0;;) {
    changed_.wait(lock, [&] { return quit_ || round_ != done; });
    if (quit_) return;
    done = round_;
    lock.unlock();
    attempt(r);
    lock.lock();
    inside_[r] = 0;
    --running_;
    changed_.notify_all();
  }
}

void RankThreads::run(const std::function<void(std::size_t)>& work) {
  work_ = &work;
  failure_ = nullptr;
  failed_by_itself_ = false;
  if (threads_.empty()) {
    attempt(0);
  } else {
    std::unique_lock lock(mutex_);
    running_ = threads_.size();
    std::ranges::fill(inside_, 1);
    ++round_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return running_ == 0 || failure_; });
    if (!changed_.wait_for(lock, patience_, [&] { return running_ == 0; }))
      end_with(static_cast<std::size_t>(std::ranges::find(inside_, 1) - inside_.begin()));
  }
  if (failure_) std::rethrow_exception(failure_);
}

void Crew::run(const std::function<void(std::size_t)>& work) {
  try {
    threads.run(work);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::communication && !ranks.worlds.empty()) last_resort.begin(e.what(), std::chrono::seconds(10));
    throw;
  }
}

void RankThreads::end_with(std::size_t stuck) const {
  std::string cause;
  try {
    std::rethrow_exception(failure_);
  } catch (const std::exception& e) {
    cause = e.what();
  }
  std::fprintf(stderr, "millrace: %s; the thread of rank %d does not end, so the process does\n", cause.c_str(), ranks_.worlds[stuck]->rank());
  std::fflush(nullptr);
  _exit(exit_code(ErrorKind::communication));
}

}  // namespace millrace
