#include "experiments/replay.h"

#include <algorithm>

#include "pipeline/error.h"

namespace millrace {

/// Slots that show resident batches' memory, and which of them are at home.
struct Replay::Ring final : SlotHome {
  struct Shown : Slot {
    std::vector<std::int64_t> label_memory;
    std::vector<std::uint64_t> id_memory, position_memory;
    std::atomic<bool> at_home{true};
  };
  std::vector<std::unique_ptr<Shown>> slots;
  void take_back(Slot& slot) noexcept override { static_cast<Shown&>(slot).at_home.store(true, std::memory_order_release); }
};

Replay::Replay(std::span<const Batch> resident, int rows) : ring_(std::make_shared<Ring>()), format_(resident.front().format()) {
  for (const Batch& batch : resident) {
    auto slot = std::make_unique<Ring::Shown>();
    const auto n = static_cast<std::size_t>(rows ? std::min(rows, batch.rows()) : batch.rows());
    slot->images = const_cast<std::uint8_t*>(batch.images());  // Only read: a batch shows its pixels as constants.
    slot->label_memory.assign(batch.labels().begin(), batch.labels().begin() + std::ptrdiff_t(n));
    slot->id_memory.assign(batch.ids().begin(), batch.ids().begin() + std::ptrdiff_t(n));
    slot->position_memory.assign(batch.positions().begin(), batch.positions().begin() + std::ptrdiff_t(n));
    for (const Erasures::Box& box : batch.erasures().boxes)
      if (box.row < static_cast<int>(n)) slot->erasures.boxes.push_back(box);
    slot->erasures.values = batch.erasures().values;
    slot->labels = slot->label_memory;
    slot->ids = slot->id_memory;
    slot->positions = slot->position_memory;
    slot->batch = batch.number();
    slot->planned_rows = slot->valid_rows = static_cast<int>(n);
    slot->global_rows = batch.global_rows();
    ring_->slots.push_back(std::move(slot));
  }
}

std::optional<Batch> Replay::next() {
  auto batch = try_next();
  if (!batch) throw Error(ErrorKind::internal, "all replayed batches are in use");
  return batch;
}

std::optional<Batch> Replay::try_next() {
  Ring::Shown& slot = *ring_->slots[at_ % ring_->slots.size()];
  if (!slot.at_home.exchange(false, std::memory_order_acquire)) return std::nullopt;
  ++at_;
  return Batch(ring_, slot, format_);
}

}  // namespace millrace
