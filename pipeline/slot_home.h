#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/loader_rows.h"

namespace millrace {

/// Owns the slots' memory, and hands over what comes home while there is an engine to take it. Shared by the engine and by every leased batch, so that a
/// batch may outlive its loader: its memory goes when the last of them does.
/// Threads: any.
class LeasedSlots final : public SlotHome {
 public:
  /// `take` gets every slot that comes home; it runs under the lock and must not block.
  LeasedSlots(SlotMemory& memory, std::uint64_t slot_bytes, std::vector<std::unique_ptr<WorkSlot>> slots,
              std::function<void(WorkSlot&)> take)
      : memory_(memory), slot_bytes_(slot_bytes), slots_(std::move(slots)), take_(std::move(take)) {}
  ~LeasedSlots() override {
    for (auto& slot : slots_) memory_.release(slot->images, slot_bytes_);
  }

  /// Runs `then` while no slot can come home.
  template <class F>
  void under_lock(F&& then) {
    std::lock_guard lock(mutex_);
    then();
  }
  void take_back(Slot& slot) noexcept override {
    std::lock_guard lock(mutex_);
    auto& home = static_cast<WorkSlot&>(slot);
    home.moves_to(SlotPlace::home);
    if (take_) take_(home);
  }
  /// From here on slots that come home go nowhere.
  void detach() {
    std::lock_guard lock(mutex_);
    take_ = nullptr;
  }
  /// More slots, for an engine that makes them as they are needed.
  WorkSlot& add(std::unique_ptr<WorkSlot> slot) {
    std::lock_guard lock(mutex_);
    return *slots_.emplace_back(std::move(slot));
  }
  const std::vector<std::unique_ptr<WorkSlot>>& slots() const { return slots_; }
  void look(std::vector<LoaderSnapshot::OfSlot>& into) const {
    std::lock_guard lock(mutex_);
    for (const auto& slot : slots_) into.push_back(slot->seen());
  }
  std::uint64_t bytes() const {
    std::lock_guard lock(mutex_);
    return slots_.size() * slot_bytes_;
  }

 private:
  SlotMemory& memory_;
  const std::uint64_t slot_bytes_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<WorkSlot>> slots_;
  std::function<void(WorkSlot&)> take_;
};

}  // namespace millrace
