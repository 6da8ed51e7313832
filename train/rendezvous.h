#pragma once
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "pipeline/error.h"
#include "train/api.h"
#include "train/lifeline.h"
#include "train/torch_headers.h"

namespace c10d {
class Store;
}

namespace millrace::train {

/// What a rank has once all have met.
struct Rendezvous {
  c10::intrusive_ptr<c10d::Store> store; ///< Of this run alone; rank 0's process serves it, or its launcher does.
  std::string address;                   ///< Where this rank can be reached by the others.
  std::shared_ptr<Lifeline> lifeline;
};

/// Finds the other ranks by c10d's TCPStore, which `torchrun` uses too, and waits until all are there: rank 0 listens and writes where
/// into the store, the others try its addresses. Who has met is settled by these connections (train/lifeline.h), not by what stands in
/// the store, which outlives an attempt where a launcher keeps it. A rank's address is that of its connection.
/// Errors: Error(communication): a port in use, nobody there, a store of another run, two processes of one rank, a rank that does
///         not come within the time-out.
Rendezvous meet(const JoinOptions& options);

/// Keeps this thread, and those it starts, from being ended by a write to a connection that was closed: TCPStore's server does so when a
/// rank dies at the wrong moment.
void hold_back_broken_pipes();

/// Runs what may wait for ever inside LibTorch on a thread of its own, which is left behind when it takes too long or a rank fails.
/// Errors: those of `work`; Error(communication, late); the lifeline's.
template <class F>
auto within(double seconds, Lifeline* lifeline, const std::string& late, F work) {
  std::packaged_task<std::invoke_result_t<F>()> task([work = std::move(work)] {
    hold_back_broken_pipes();
    return work();
  });
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (result.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    if (lifeline && lifeline->failed()) lifeline->expect_failure({});
    if (std::chrono::steady_clock::now() > deadline) throw Error(ErrorKind::communication, late);
  }
  try {
    return result.get();
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    if (lifeline) lifeline->expect_failure(std::chrono::seconds(5)); // It knows whose connection closed, a moment later.
    throw;
  }
}

/// LibTorch's exceptions end here.
template <class F>
auto communicating(F&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& e) {
    throw Error(ErrorKind::communication, std::string("LibTorch: ") + e.what_without_backtrace());
  } catch (const std::exception& e) {
    throw Error(ErrorKind::communication, std::string("LibTorch: ") + e.what());
  }
}

}  // namespace millrace::train
