// Device memory and page-locked memory. A device's addresses are reserved but not accessible, so that a host that dereferences one ends by SIGSEGV, as
// with a GPU; the bytes lie in a second mapping. Addresses are never used twice, so that whatever touches freed memory is seen.
#include "tests/cuda_double/runtime/memory.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <map>
#include <mutex>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/settings.h"
#include "tests/cuda_double/runtime/stream.h"

namespace cuda_double {
namespace {

struct Allocation {
  Place place;
  char* bytes = nullptr; ///< Where they are kept.
  bool registered = false; ///< The program's own memory, page-locked by cudaHostRegister.
};

struct Memory {
  std::mutex mutex;
  std::map<const char*, Allocation> live, freed; ///< By address.
  std::map<int, std::size_t> used;               ///< By physical device.
};
Memory& memory() {
  static auto* const all = new Memory;
  return *all;
}

constexpr std::size_t kPage = 4096;

std::size_t mapped(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

const Allocation* holder(const std::map<const char*, Allocation>& all, const void* address) {
  auto found = all.upper_bound(static_cast<const char*>(address));
  if (found == all.begin()) return nullptr;
  --found;
  return static_cast<const char*>(address) < found->first + found->second.place.bytes ? &found->second : nullptr;
}

char* map(std::size_t bytes, int protection) {
  void* const at = mmap(nullptr, mapped(bytes), protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
}

std::size_t limit_of(int device) {
  const auto& limits = settings().memory_bytes;
  return limits[std::min(limits.size() - 1, static_cast<std::size_t>(device))];
}

cudaError_t allocate(void** out, std::size_t bytes, bool page_locked) {
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  need_context();
  const int device = physical(current_device());
  const std::lock_guard lock(memory().mutex);
  if (!page_locked && memory().used[device] + bytes > limit_of(device)) return answer(cudaErrorMemoryAllocation);
  char* const kept = map(bytes, PROT_READ | PROT_WRITE);
  char* const address = page_locked ? kept : map(bytes, PROT_NONE);
  if (!kept || !address) return answer(cudaErrorMemoryAllocation);
  if (!page_locked) memory().used[device] += bytes;
  memory().live[address] = {{address, bytes, current_device(), page_locked}, kept};
  *out = address;
  return cudaSuccess;
}

/// Takes an allocation out of those that live. Its address stays reserved.
cudaError_t release(void* address, bool page_locked, const char* call) {
  Allocation gone;
  {
    const std::lock_guard lock(memory().mutex);
    const auto found = memory().live.find(static_cast<char*>(address));
    if (found == memory().live.end() || found->second.place.page_locked != page_locked || found->second.registered) {
      const bool twice = memory().freed.contains(static_cast<char*>(address));
      return illegal(cudaErrorInvalidValue, call, twice ? "freed twice" : "no such allocation", twice ? finding::kUseAfterFree : finding::kIllegalCall);
    }
    gone = found->second;
  }
  wait_for_device(gone.place.device); // As CUDA does; the bytes must outlive what streams do with them.
  const std::lock_guard lock(memory().mutex);
  memory().live.erase(static_cast<char*>(address));
  memory().freed[static_cast<char*>(address)] = gone;
  if (!page_locked) {
    memory().used[physical(gone.place.device)] -= gone.place.bytes;
    munmap(gone.bytes, mapped(gone.place.bytes));
  } else {
    mmap(address, mapped(gone.place.bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  }
  return cudaSuccess;
}

}  // namespace

std::optional<Place> place_of(const void* address) {
  const std::lock_guard lock(memory().mutex);
  const Allocation* const found = holder(memory().live, address);
  return found ? std::optional(found->place) : std::nullopt;
}

char* backing(const void* address, std::size_t bytes, const char* call) {
  const char* kind = nullptr;
  {
    const std::lock_guard lock(memory().mutex);
    const auto* const first = static_cast<const char*>(address);
    if (const Allocation* const found = holder(memory().live, address)) {
      const auto offset = static_cast<std::size_t>(first - found->place.base);
      if (offset + bytes <= found->place.bytes) return found->bytes + offset;
      kind = finding::kOutOfBounds;
    } else if (holder(memory().freed, address)) {
      kind = finding::kUseAfterFree;
    } else {
      return const_cast<char*>(first); // The program's ordinary memory.
    }
  }
  report(kind, call, std::to_string(bytes) + " bytes");
  return nullptr;
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaMalloc(void** out, size_t bytes) {
  if (const cudaError_t error = begin("cudaMalloc", InCapture::forbidden, cudaErrorMemoryAllocation)) return error;
  return allocate(out, bytes, /*page_locked=*/false);
}

cudaError_t cudaFree(void* address) {
  if (const cudaError_t error = begin("cudaFree", InCapture::forbidden)) return error;
  need_context();
  return address ? release(address, /*page_locked=*/false, "cudaFree") : cudaSuccess;
}

cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned) {
  if (const cudaError_t error = begin("cudaHostAlloc", InCapture::forbidden, cudaErrorMemoryAllocation)) return error;
  return allocate(out, bytes, /*page_locked=*/true);
}
cudaError_t cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void* address) {
  if (const cudaError_t error = begin("cudaFreeHost", InCapture::forbidden)) return error;
  need_context();
  return address ? release(address, /*page_locked=*/true, "cudaFreeHost") : cudaSuccess;
}

cudaError_t cudaHostRegister(void* address, size_t bytes, unsigned) {
  if (const cudaError_t error = begin("cudaHostRegister", InCapture::forbidden, cudaErrorMemoryAllocation)) return error;
  need_context();
  const std::lock_guard lock(memory().mutex);
  auto* const base = static_cast<char*>(address);
  memory().live[base] = {{base, bytes, current_device(), true}, base, /*registered=*/true};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* address) {
  if (const cudaError_t error = begin("cudaHostUnregister", InCapture::forbidden)) return error;
  const std::lock_guard lock(memory().mutex);
  const auto found = memory().live.find(static_cast<char*>(address));
  if (found == memory().live.end() || !found->second.registered) return illegal(cudaErrorHostMemoryNotRegistered, "cudaHostUnregister", "never registered");
  memory().live.erase(found);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  need_context();
  const int device = physical(current_device());
  const std::lock_guard lock(memory().mutex);
  *total = limit_of(device);
  *free = *total - memory().used[device];
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  need_context();
  const auto place = place_of(address);
  *attributes = {};
  attributes->type = !place ? cudaMemoryTypeUnregistered : place->page_locked ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
  attributes->device = place ? place->device : -1;
  attributes->devicePointer = place ? const_cast<void*>(address) : nullptr;
  attributes->hostPointer = place && place->page_locked ? const_cast<void*>(address) : nullptr;
  return cudaSuccess;
}

int cuda_double_device_of(const void* address) {
  const auto place = place_of(address);
  return place && !place->page_locked ? place->device : -1;
}
void* cuda_double_backing(const void* address, size_t bytes, const char* call) { return backing(address, bytes, call); }
}
