#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/batch.h"
#include "pipeline/random.h"

namespace millrace::testing {

/// Batches made in memory, as a loader would lend them; counts the slots that came home.
class MemoryHome final : public SlotHome {
 public:
  void take_back(Slot&) noexcept override { ++home; }
  int home = 0;
};

struct MemorySlot {
  explicit MemorySlot(const RowFormat& format, int rows, SlotMemory& memory = plain_slot_memory())
      : bytes(format.bytes() * static_cast<std::size_t>(std::max(1, rows))), memory_(memory), plan(rows), labels(rows), ids(rows), positions(rows) {
    slot.images = static_cast<std::uint8_t*>(memory_.allocate(bytes));
    slot.planned_rows = slot.valid_rows = rows;
    slot.global_rows = static_cast<std::uint64_t>(rows);
    slot.plan = plan;
    slot.labels = labels;
    slot.ids = ids;
    slot.positions = positions;
  }
  ~MemorySlot() { memory_.release(slot.images, bytes); }
  MemorySlot(const MemorySlot&) = delete;
  MemorySlot& operator=(const MemorySlot&) = delete;

  std::size_t bytes;
  SlotMemory& memory_;
  std::vector<PlannedRow> plan;
  std::vector<std::int64_t> labels;
  std::vector<std::uint64_t> ids, positions;
  Slot slot;
};

/// `steps` batches an epoch of pictures drawn from `seed` (f32: uniform in [-1, 1), u8: any), each of `rows` rows.
class MemoryStream final : public BatchStream {
 public:
  MemoryStream(const RowFormat& format, int rows, int steps, std::uint64_t seed = 1, SlotMemory& memory = plain_slot_memory())
      : home(std::make_shared<MemoryHome>()), format_(format) {
    Rng rng(RngKey{seed, 0, 0, 0});
    for (int step = 0; step < steps; ++step) {
      auto& made = *slots.emplace_back(std::make_unique<MemorySlot>(format, rows, memory));
      made.slot.batch = static_cast<std::uint64_t>(step);
      made.slot.end_of_epoch = step + 1 == steps;
      for (std::size_t i = 0; i < format.elements() * static_cast<std::size_t>(rows); ++i) {
        if (format.dtype == Dtype::f32)
          reinterpret_cast<float*>(made.slot.images)[i] = static_cast<float>(rng.uniform(-1, 1));
        else
          made.slot.images[i] = static_cast<std::uint8_t>(rng.below(256));
      }
      for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        made.labels[r] = static_cast<std::int64_t>(rng.below(10));
        made.ids[r] = made.positions[r] = static_cast<std::uint64_t>(step) * static_cast<std::uint64_t>(rows) + r;
      }
    }
  }
  std::optional<Batch> next() override {
    if (on_next) on_next(next_);
    return try_next();
  }
  std::optional<Batch> try_next() override {
    if (next_ == slots.size()) return std::nullopt;
    return lend(next_++);
  }
  void rewind() { next_ = 0; }
  std::size_t lent() const { return next_; } ///< Since the last rewind().
  Batch lend(std::size_t index) { return Batch(home, slots[index]->slot, format_); }
  std::vector<Batch> lend_all() {
    std::vector<Batch> batches;
    for (std::size_t i = 0; i < slots.size(); ++i) batches.push_back(lend(i));
    return batches;
  }

  std::shared_ptr<MemoryHome> home;
  std::vector<std::unique_ptr<MemorySlot>> slots;
  std::function<void(std::size_t)> on_next; ///< Called with the batch's index before next() delivers it.

 private:
  RowFormat format_;
  std::size_t next_ = 0;
};

}  // namespace millrace::testing
