#include "experiments/kept_memory.h"

namespace millrace {

KeptMemory::~KeptMemory() {
  for (const auto& [bytes, memory] : free_) from_.release(memory, bytes);
}

void* KeptMemory::allocate(std::size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    if (const auto it = free_.find(bytes); it != free_.end()) {
      void* memory = it->second;
      free_.erase(it);
      return memory;
    }
  }
  return from_.allocate(bytes);
}

void KeptMemory::release(void* memory, std::size_t bytes) noexcept {
  std::lock_guard lock(mutex_);
  free_.emplace(bytes, memory);
}

}  // namespace millrace
