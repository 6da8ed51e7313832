// NCCL's calls, between threads or processes of one host: communicators that block or do not, in the order of calls on the double's streams. A rank that
// does not come is waited for until the communicator is aborted, as NCCL does.
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/nccl/communicator.h"

using namespace cuda_double;

namespace {

thread_local std::string t_last_error;
thread_local int t_group_depth = 0;
thread_local std::vector<ncclComm*> t_group; ///< Communicators that started within the group.

struct Communicators {
  std::mutex mutex;
  std::set<ncclComm*> live;
};
Communicators& communicators() {
  static auto* const all = new Communicators; // Never destroyed: streams' threads outlive main.
  return *all;
}

ncclResult_t illegal(ncclResult_t error, const char* call, const std::string& why, const char* kind = "illegal_call") {
  t_last_error = why;
  cuda_double_report(kind, call, why.c_str());
  return error;
}

/// Whether the handle names a communicator. Null is answered without a finding: it is what a program has left after an abort.
ncclResult_t check(ncclComm* c, const char* call) {
  if (!c) {
    t_last_error = "communicator is null";
    return ncclInvalidArgument;
  }
  const std::lock_guard lock(communicators().mutex);
  return communicators().live.contains(c) ? ncclSuccess : illegal(ncclInvalidArgument, call, "the communicator has ended", "use_after_free");
}

/// A communicator takes one call at a time (an abort and a question for its state beside).
class InCall {
 public:
  InCall(ncclComm& c, const char* call) : c_(c), alone_(!c.in_call.exchange(true)) {
    if (!alone_) illegal(ncclInvalidUsage, call, "another thread is in a call of this communicator");
  }
  ~InCall() {
    if (alone_) c_.in_call = false;
  }
  InCall(const InCall&) = delete;
  InCall& operator=(const InCall&) = delete;

 private:
  ncclComm& c_;
  const bool alone_;
};

/// The state of the last call, which time may have completed.
ncclResult_t state_of(ncclComm& c) {
  const double ready_at = c.ready_at;
  if (c.state == ncclInProgress && ready_at > 0 && cuda_double_now() >= ready_at) c.state = ncclSuccess;
  return c.state;
}

/// What a call returns that a thread of NCCL completes later, where the communicator does not block.
ncclResult_t begun(ncclComm& c, double microseconds) {
  if (c.blocking) return ncclSuccess;
  c.ready_at = cuda_double_now() + microseconds;
  c.state = ncclInProgress;
  return ncclInProgress;
}

/// Waits for the other ranks and compares their GPUs with this one's.
ncclResult_t start(ncclComm& c) {
  const auto stopped = [&] { return c.aborted.load(); };
  try {
    c.meeting = std::make_unique<Meeting>(c.name, c.rank, c.size);
  } catch (const std::system_error&) {
    return ncclSystemError;
  }
  cuda_double_uuid(c.device, c.meeting->seat(c.rank).device);
  const bool met = c.meeting->meet(stopped);
  if (c.rank == 0) c.meeting->forget_name();
  if (!met) return ncclInternalError;
  for (int r = 0; r < c.size; ++r) {
    if (r == c.rank || std::memcmp(c.meeting->seat(r).device, c.meeting->seat(c.rank).device, 16) != 0) continue;
    return illegal(ncclInvalidUsage, "ncclCommInitRankConfig", "ranks " + std::to_string(c.rank) + " and " + std::to_string(r) + " are on one GPU");
  }
  return ncclSuccess;
}

ncclResult_t collective(const char* name, Collective kind, const void* from, void* to, std::size_t count, int type, int operation, int root, ncclComm* c,
                        cudaStream_t stream) {
  if (const ncclResult_t error = check(c, name)) return error;
  const InCall one(*c, name);
  cuda_double_count(name);
  if (const int error = cuda_double_planted(name, ncclSystemError)) return static_cast<ncclResult_t>(error);
  if (c->async_error != ncclSuccess) return c->async_error;
  if (const ncclResult_t state = state_of(*c)) {
    return state == ncclInProgress ? illegal(ncclInvalidUsage, name, "the call before is still in progress") : state;
  }
  if (element_bytes(type) == 0 || operation == ncclProd || operation > ncclMin)
    return illegal(ncclInvalidArgument, name, "the double does not have this type or operation", "unsupported");
  for (const void* buffer : {from, const_cast<const void*>(to)}) {
    const int device = cuda_double_device_of(buffer);
    if (device != c->device)
      return illegal(ncclInvalidArgument, name, "buffer on device " + std::to_string(device) + ", communicator on " + std::to_string(c->device), "wrong_device");
  }
  if (count == 0) return ncclSuccess;
  auto* const call = new CollectiveCall{c, {static_cast<int>(kind), type, operation, root, count}, from, to};
  const int error = cuda_double_enqueue(
      stream, [](double ready, void* data) { return run_collective(ready, *static_cast<CollectiveCall*>(data)); }, call,
      [](void* data) { delete static_cast<CollectiveCall*>(data); });
  if (error != 0) return ncclUnhandledCudaError;
  static const double launch_us = cuda_double_setting("CUDA_DOUBLE_NCCL_LAUNCH_US", 60);
  return begun(*c, launch_us);
}

/// The communicator leaves those that live; false: it was not among them.
bool forget(ncclComm* c) {
  const std::lock_guard lock(communicators().mutex);
  return communicators().live.erase(c) > 0;
}

}  // namespace

extern "C" {
ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 0, sizeof *id);
  std::snprintf(id->internal, sizeof id->internal, "/cuda_double.%d.%.0f", getpid(), cuda_double_now() * 1000);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclSystemError: return "unhandled system error";
    case ncclInternalError: return "internal error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
    default: return "unhandled cuda error";
  }
}

const char* ncclGetLastError(ncclComm_t) { return t_last_error.c_str(); }

ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int size, ncclUniqueId id, int rank, ncclConfig_t* config) {
  cuda_double_count("ncclCommInitRankConfig");
  *out = nullptr;
  if (rank < 0 || rank >= size || size > kMostRanks) return illegal(ncclInvalidArgument, "ncclCommInitRankConfig", "no such rank");
  if (const int error = cuda_double_planted("ncclCommInitRankConfig", ncclSystemError)) return static_cast<ncclResult_t>(error);
  cuda_double_need_context();
  auto* const c = new ncclComm;
  c->rank = rank;
  c->size = size;
  c->device = cuda_double_current_device();
  c->blocking = !config || config->blocking != 0;
  c->name = id.internal;
  {
    const std::lock_guard lock(communicators().mutex);
    communicators().live.insert(c);
  }
  *out = c;
  c->starting = std::thread([c] { c->state = start(*c); });
  if (!c->blocking) return ncclInProgress;
  if (t_group_depth > 0) {
    t_group.push_back(c); // Several of one thread start together.
    return ncclSuccess;
  }
  c->starting.join();
  return c->state;
}

ncclResult_t ncclCommInitRank(ncclComm_t* out, int size, ncclUniqueId id, int rank) { return ncclCommInitRankConfig(out, size, id, rank, nullptr); }

ncclResult_t ncclGroupStart() {
  ++t_group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (t_group_depth == 0) return illegal(ncclInvalidUsage, "ncclGroupEnd", "no group was begun");
  if (--t_group_depth > 0) return ncclSuccess;
  ncclResult_t worst = ncclSuccess;
  for (ncclComm* c : t_group) {
    c->starting.join();
    if (c->state != ncclSuccess) worst = c->state;
  }
  t_group.clear();
  return worst;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t* state) {
  if (const ncclResult_t error = check(c, "ncclCommGetAsyncError")) return error;
  cuda_double_count("ncclCommGetAsyncError");
  *state = c->async_error != ncclSuccess ? c->async_error.load() : state_of(*c);
  return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t c, int* count) {
  *count = c->size;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t c, int* rank) {
  *rank = c->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t c, int* device) {
  *device = c->device;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t operation, ncclComm_t c, cudaStream_t stream) {
  return collective("ncclAllReduce", Collective::all_reduce, from, to, count, type, operation, 0, c, stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t c, cudaStream_t stream) {
  return collective("ncclBroadcast", Collective::broadcast, from, to, count, type, ncclSum, root, c, stream);
}
ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t c, cudaStream_t stream) {
  return collective("ncclAllGather", Collective::all_gather, from, to, count, type, ncclSum, 0, c, stream);
}

ncclResult_t ncclCommFinalize(ncclComm_t c) {
  constexpr double kFinalizeUs = 500;
  if (const ncclResult_t error = check(c, "ncclCommFinalize")) return error;
  const InCall one(*c, "ncclCommFinalize");
  if (std::exchange(c->finalized, true)) return illegal(ncclInvalidUsage, "ncclCommFinalize", "finalized twice");
  return begun(*c, kFinalizeUs);
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
  if (const ncclResult_t error = check(c, "ncclCommDestroy")) return error;
  const InCall one(*c, "ncclCommDestroy");
  if (c->starting.joinable()) c->starting.join();
  forget(c);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t c) {
  if (const ncclResult_t error = check(c, "ncclCommAbort")) return error;
  cuda_double_count("ncclCommAbort");
  c->aborted = true;
  if (c->starting.joinable()) c->starting.join();
  forget(c);
  return ncclSuccess;
}
}
