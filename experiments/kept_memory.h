#pragma once
#include <map>
#include <mutex>

#include "pipeline/batch.h"

namespace millrace {

/// Slots' memory that is kept and handed out again, as large as it was: touching new pages takes longer than some loaders need for a batch, and
/// page-locking runs at a few gigabytes a second, with a wait for the device at its end. What is kept goes back when this ends: it outlives
/// all slots.
/// Threads: any.
class KeptMemory final : public SlotMemory {
 public:
  explicit KeptMemory(SlotMemory& from) : from_(from) {}
  ~KeptMemory() override;
  void* allocate(std::size_t bytes) override;
  void release(void* memory, std::size_t bytes) noexcept override;
  const char* name() const override { return from_.name(); }

 private:
  SlotMemory& from_;
  std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;
};

}  // namespace millrace
