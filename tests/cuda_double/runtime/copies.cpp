// Copies and fills, at the rate that the settings give. Page-locked memory is watched while a copy uses it: what the host writes into a copy's source or
// destination before the copy has ended is a race.
#include <cuda_runtime_api.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/memory.h"
#include "tests/cuda_double/runtime/capture.h"
#include "tests/cuda_double/runtime/settings.h"
#include "tests/cuda_double/runtime/stream.h"

namespace cuda_double {
namespace {

constexpr double kCopyLatencyUs = 2;
constexpr std::size_t kPageableStaged = 64 << 10; ///< Up to here CUDA stages a pageable source; beyond, the call waits for its stream.
constexpr unsigned char kUnderCopy = 0xCB;        ///< What a destination holds while a copy to it runs.
/// Below, a destination is left alone: a number that the host may look at any time (the old or the new value, never a torn one).
constexpr std::size_t kLargestNumber = 16;

struct Copy {
  char* to = nullptr;
  const char* from = nullptr;
  std::size_t bytes = 0;
  bool to_host = false, from_host = false; ///< Page-locked or pageable.
  bool to_locked = false, from_locked = false;

  bool blocks() const { return (to_host && !to_locked) || (from_host && !from_locked && bytes > kPageableStaged); }
  const char* counter() const { return to_host ? (from_host ? "copies_h2h" : "copies_d2h") : from_host ? "copies_h2d" : "copies_d2d"; }
};

Copy copy_of(void* to, const void* from, std::size_t bytes) {
  const auto target = place_of(to), source = place_of(from);
  Copy copy{static_cast<char*>(to), static_cast<const char*>(from), bytes};
  copy.to_host = !target || target->page_locked;
  copy.from_host = !source || source->page_locked;
  copy.to_locked = target && target->page_locked;
  copy.from_locked = source && source->page_locked;
  return copy;
}

/// All of a small block; of a large one a cache line in every 16, with its end.
std::uint64_t digest(const char* bytes, std::size_t size) {
  constexpr std::size_t kSmall = 1 << 20, kLine = 64, kStride = 1024;
  if (size <= kSmall) return XXH3_64bits(bytes, size);
  std::uint64_t sum = XXH3_64bits(bytes + size - kLine, kLine);
  for (std::size_t at = 0; at + kLine <= size; at += kStride) sum = sum * 31 + XXH3_64bits(bytes + at, kLine);
  return sum;
}

bool untouched(const char* bytes, std::size_t size) {
  return bytes[0] == static_cast<char>(kUnderCopy) && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

Time run(const Copy& copy, Time ready, const char* staged, const std::uint64_t* digest_before) {
  char* const to = copy.to_host ? copy.to : backing(copy.to, copy.bytes, "copy");
  const char* const from = staged ? staged : backing(copy.from, copy.bytes, "copy");
  if (!to || !from) return ready;
  const Time end = ready + kCopyLatencyUs + static_cast<double>(copy.bytes) / (settings().copy_gigabytes_per_second * 1e3);
  const bool watch_target = copy.to_locked && copy.bytes > kLargestNumber;
  sleep_until(ready);
  if (watch_target) std::memset(to, kUnderCopy, copy.bytes);
  sleep_until(end);
  if (watch_target && !untouched(to, copy.bytes)) report(finding::kRace, "copy", "page-locked memory was written while a copy to it ran");
  if (digest_before && digest(from, copy.bytes) != *digest_before)
    report(finding::kRace, "copy", std::to_string(copy.bytes) + " bytes of page-locked memory changed between the call and the end of their copy");
  std::memmove(to, from, copy.bytes);
  return end;
}

cudaError_t copy(const char* call, void* to, const void* from, std::size_t bytes, cudaStream_t handle) {
  Stream* const stream = stream_of(handle, call);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (!backing(to, bytes, call) || !backing(from, bytes, call)) return answer(cudaErrorInvalidValue);
  const Copy copy = copy_of(to, from, bytes);
  count(copy.counter());
  count("copied_bytes", bytes);
  const bool capturing = is_captured(*stream);
  if (capturing && ((copy.to_host && !copy.to_locked) || (copy.from_host && !copy.from_locked)))
    return spoils_capture(*stream, call, "a copy of pageable memory in a capture");
  std::shared_ptr<std::vector<char>> staged;
  if (copy.from_host && !copy.from_locked && !copy.blocks()) staged = std::make_shared<std::vector<char>>(copy.from, copy.from + bytes);
  std::shared_ptr<std::uint64_t> before; // A graph's source may change between its runs.
  if (copy.from_locked && !capturing) before = std::make_shared<std::uint64_t>(digest(copy.from, bytes));
  const cudaError_t error = enqueue(*stream, call, [=](Time ready) { return run(copy, ready, staged ? staged->data() : nullptr, before.get()); });
  if (error == cudaSuccess && copy.blocks()) {
    count("host_syncs");
    stream->wait();
  }
  return error;
}

cudaError_t fill(const char* call, void* to, int value, std::size_t bytes, cudaStream_t handle) {
  Stream* const stream = stream_of(handle, call);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (!backing(to, bytes, call)) return answer(cudaErrorInvalidValue);
  count("fills");
  return enqueue(*stream, call, [=](Time ready) {
    if (char* const at = backing(to, bytes, call)) std::memset(at, value, bytes);
    return ready + kCopyLatencyUs;
  });
}

}  // namespace
}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  if (const cudaError_t error = begin("cudaMemcpyAsync", InCapture::allowed, cudaErrorIllegalAddress)) return error;
  return copy("cudaMemcpyAsync", to, from, bytes, stream);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = begin("cudaMemcpyPeerAsync", InCapture::allowed, cudaErrorIllegalAddress)) return error;
  return copy("cudaMemcpyPeerAsync", to, from, bytes, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream) {
  if (const cudaError_t error = begin("cudaMemcpy2DAsync", InCapture::allowed, cudaErrorIllegalAddress)) return error;
  for (size_t row = 0; row < height; ++row) {
    const cudaError_t error = copy("cudaMemcpy2DAsync", static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  if (const cudaError_t error = begin("cudaMemcpy", InCapture::forbidden, cudaErrorIllegalAddress)) return error;
  if (const cudaError_t error = copy("cudaMemcpy", to, from, bytes, nullptr)) return error;
  count("host_syncs");
  stream_of(nullptr, "cudaMemcpy")->wait();
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = begin("cudaMemsetAsync", InCapture::allowed, cudaErrorIllegalAddress)) return error;
  return fill("cudaMemsetAsync", to, value, bytes, stream);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  if (const cudaError_t error = begin("cudaMemset", InCapture::forbidden, cudaErrorIllegalAddress)) return error;
  return fill("cudaMemset", to, value, bytes, nullptr);
}
}
