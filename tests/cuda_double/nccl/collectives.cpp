// What a stream does for a collective call. Sums are taken in the order of the ranks, so that all have the same bits.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/nccl/communicator.h"

namespace cuda_double {
namespace {

/// The link of this rank is down after so many collectives of the process, where the settings say so: the call waits until the communicator is aborted.
bool link_is_down(ncclComm& c) {
  static const double after = cuda_double_setting("CUDA_DOUBLE_NCCL_STALL", -1);
  static const double on_rank = cuda_double_setting("CUDA_DOUBLE_NCCL_STALL_RANK", -1);
  static const double error = cuda_double_setting("CUDA_DOUBLE_NCCL_ERROR", ncclSuccess);
  static std::atomic<long> calls{0};
  if (after < 0 || (on_rank >= 0 && c.rank != static_cast<int>(on_rank)) || ++calls <= static_cast<long>(after)) return false;
  c.async_error = static_cast<ncclResult_t>(static_cast<int>(error));
  return true;
}

void wait_for_abort(const ncclComm& c) {
  while (!c.aborted) cuda_double_sleep_until(cuda_double_now() + 1000);
}

/// Whether all ranks make the same call.
bool agree(const CollectiveCall& call) {
  const ncclComm& c = *call.communicator;
  for (int r = 0; r < c.size; ++r) {
    const CallSaid& theirs = c.meeting->seat(r).said;
    if (theirs == call.said) continue;
    char text[160];
    std::snprintf(text, sizeof text, "rank %d: call %d of %zu elements; rank %d: call %d of %zu", c.rank, call.said.kind, call.said.count, r, theirs.kind,
                  theirs.count);
    cuda_double_report("mismatch", "NCCL", text);
    return false;
  }
  return true;
}

template <class T>
void reduce(const ncclComm& c, int operation, T* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    T value = reinterpret_cast<const T*>(c.meeting->seat(0).data)[i];
    for (int r = 1; r < c.size; ++r) {
      const T other = reinterpret_cast<const T*>(c.meeting->seat(r).data)[i];
      value = operation == ncclMax ? std::max(value, other) : operation == ncclMin ? std::min(value, other) : static_cast<T>(value + other);
    }
    to[i] = value;
  }
}

void reduce(const ncclComm& c, const CallSaid& said, char* to, std::size_t bytes) {
  switch (said.type) {
    case ncclFloat32: return reduce(c, said.operation, reinterpret_cast<float*>(to), bytes / sizeof(float));
    case ncclFloat64: return reduce(c, said.operation, reinterpret_cast<double*>(to), bytes / sizeof(double));
    case ncclInt64: return reduce(c, said.operation, reinterpret_cast<std::int64_t*>(to), bytes / sizeof(std::int64_t));
    default: return reduce(c, said.operation, reinterpret_cast<std::int32_t*>(to), bytes / sizeof(std::int32_t));
  }
}

/// Takes this rank's part of what all ranks have laid on the table: the bytes [at, at + n) of each one's data.
void take(const CollectiveCall& call, char* to, std::size_t at, std::size_t n, std::size_t bytes) {
  const ncclComm& c = *call.communicator;
  switch (static_cast<Collective>(call.said.kind)) {
    case Collective::all_reduce: return reduce(c, call.said, to + at, n);
    case Collective::broadcast: std::memcpy(to + at, c.meeting->seat(call.said.root).data, n); return;
    case Collective::all_gather:
      for (int r = 0; r < c.size; ++r) std::memcpy(to + static_cast<std::size_t>(r) * bytes + at, c.meeting->seat(r).data, n);
  }
}

}  // namespace

std::size_t element_bytes(int type) {
  switch (type) {
    case ncclFloat32:
    case ncclInt32: return 4;
    case ncclFloat64:
    case ncclInt64: return 8;
    default: return 0;
  }
}

double run_collective(double ready, CollectiveCall& call) {
  constexpr double kCallUs = 15;
  ncclComm& c = *call.communicator;
  const std::size_t bytes = call.said.count * element_bytes(call.said.type);
  const std::size_t written = static_cast<Collective>(call.said.kind) == Collective::all_gather ? bytes * static_cast<std::size_t>(c.size) : bytes;
  const auto stopped = [&] { return c.aborted.load(); };
  cuda_double_sleep_until(ready);
  const auto* const from = static_cast<const char*>(cuda_double_backing(call.from, bytes, "NCCL"));
  auto* const to = static_cast<char*>(cuda_double_backing(call.to, written, "NCCL"));
  bool going = from && to && !link_is_down(c);
  if (going) {
    c.meeting->seat(c.rank).said = call.said;
    going = c.meeting->meet(stopped) && agree(call);
  }
  for (std::size_t at = 0; at < bytes && going; at += kChunk) {
    const std::size_t n = std::min(kChunk, bytes - at);
    std::memcpy(c.meeting->seat(c.rank).data, from + at, n);
    going = c.meeting->meet(stopped);
    if (going) take(call, to, at, n, bytes);
    going = going && c.meeting->meet(stopped);
  }
  if (!going) wait_for_abort(c);
  return std::max(ready + kCallUs, cuda_double_now());
}

}  // namespace cuda_double
