#pragma once

#include <nccl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/cuda_double/nccl/meeting.h"

/// A communicator. Never destroyed, since streams may hold calls of it; what comes after its end is a finding.
struct ncclComm {
  int rank = 0, size = 1, device = 0; ///< The device as the program numbers it.
  bool blocking = true;
  std::string name;                   ///< From the unique id.

  std::unique_ptr<cuda_double::Meeting> meeting;
  std::thread starting;
  std::atomic<ncclResult_t> state{ncclInProgress}; ///< Of a communicator that is not blocking: of its last call.
  std::atomic<double> ready_at{0};                 ///< When a call in progress is done; 0: by itself (the start).
  std::atomic<ncclResult_t> async_error{ncclSuccess};
  std::atomic<bool> aborted{false}, in_call{false};
  bool finalized = false;
};

namespace cuda_double {

enum class Collective { all_reduce, broadcast, all_gather };

/// One call of a rank, as its stream runs it.
struct CollectiveCall {
  ncclComm* communicator = nullptr;
  CallSaid said;
  const void* from = nullptr;
  void* to = nullptr;
};

/// Bytes of an element; 0: a type that the double does not sum.
std::size_t element_bytes(int type);

/// Runs the call when the stream is ready for it: waits for the other ranks until they come or the communicator is aborted. Returns its end.
double run_collective(double ready, CollectiveCall& call);

}  // namespace cuda_double
