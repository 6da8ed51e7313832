#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace millrace {

/// Where slots' memory comes from: plain here; page-locked where a GPU is fed (train/ supplies that one).
/// Threads: any. Errors: allocate throws std::bad_alloc or Error(device).
class SlotMemory {
 public:
  virtual ~SlotMemory() = default;
  virtual void* allocate(std::size_t bytes) = 0; ///< Aligned to at least 64 bytes.
  virtual void release(void* memory, std::size_t bytes) noexcept = 0;
  virtual const char* name() const = 0; ///< "pageable", "page-locked": a field of the report.
};
SlotMemory& plain_slot_memory();

/// The memory of one rank's batch, used again and again; filled by workers, one row each.
struct Slot {
  int index = 0;
  int local_rank = 0;
  std::uint8_t* images = nullptr;        ///< rows x RowFormat::bytes(), row-strided without gaps.
  std::uint64_t batch = 0;               ///< Global batch number.
  std::uint32_t epoch = 0;
  bool end_of_epoch = false;
  int planned_rows = 0;                  ///< Rows that the plan gives this rank.
  int valid_rows = 0;                    ///< Rows left after bad samples were skipped; they lie at the front.
  std::uint64_t global_rows = 0;         ///< Planned rows of the batch over all ranks.
  std::span<PlannedRow> plan;
  std::span<std::int64_t> labels;
  std::span<std::uint64_t> ids;          ///< What was delivered (a substitute's id, where one was taken).
  std::span<std::uint64_t> positions;    ///< Place in the epoch of each delivered row.
  Erasures erasures;                     ///< Of u8 rows.
};

/// Where a slot goes when its batch is done with. Threads: any.
class SlotHome {
 public:
  virtual ~SlotHome() = default;
  virtual void take_back(Slot& slot) noexcept = 0;
};

/// A lease on one rank's batch: rows x C x H x W (or H x W x C), as `format()` says. Move-only; destroying it returns the
/// slot, which is what lets the graph go on. May outlive its loader.
/// Threads: one owner at a time; it may be destroyed on any thread.
class Batch {
 public:
  Batch(std::shared_ptr<SlotHome> home, Slot& slot, const RowFormat& format) : home_(std::move(home)), slot_(&slot), format_(format) {}
  Batch(Batch&&) noexcept = default;
  Batch& operator=(Batch&& other) noexcept {
    if (this != &other) {
      release();
      home_ = std::move(other.home_);
      slot_ = other.slot_;
      format_ = other.format_;
    }
    return *this;
  }
  ~Batch() { release(); }

  const RowFormat& format() const { return format_; }
  int rows() const { return slot_->valid_rows; }
  std::span<const std::uint8_t> image_bytes() const { return {slot_->images, rows() * format_.bytes()}; }
  const std::uint8_t* images() const { return slot_->images; }
  std::span<const std::int64_t> labels() const { return slot_->labels.first(rows()); }
  std::span<const std::uint64_t> ids() const { return slot_->ids.first(rows()); }
  std::span<const std::uint64_t> positions() const { return slot_->positions.first(rows()); }
  const Erasures& erasures() const { return slot_->erasures; } ///< For the device, once it has normalised u8 rows.
  std::uint64_t number() const { return slot_->batch; }  ///< Global batch number since the start of training.
  std::uint32_t epoch() const { return slot_->epoch; }
  bool end_of_epoch() const { return slot_->end_of_epoch; }
  std::uint64_t global_rows() const { return slot_->global_rows; }
  int slot() const { return slot_->index; }              ///< Which of its loader's slots it holds.

 private:
  void release() noexcept {
    if (home_) std::exchange(home_, nullptr)->take_back(*slot_);
  }
  std::shared_ptr<SlotHome> home_;
  Slot* slot_;
  RowFormat format_;
};

/// What a trainer sees of a loader, queued or inline.
/// Threads: one caller (the trainer that owns the stream).
/// Errors:  the loader's first failure is thrown to every stream, once the batches before it have been delivered.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  /// The next batch in order; waits for it. Empty: the range has ended, or a stop was requested.
  virtual std::optional<Batch> next() = 0;
  /// The next batch if it is there already; never waits, never loads.
  virtual std::optional<Batch> try_next() = 0;
};

}  // namespace millrace
