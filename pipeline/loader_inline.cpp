#include "pipeline/slot_home.h"

namespace millrace {
namespace {

class InlineEngine;

/// workers = 0: the trainer's own thread loads each batch when it asks for it.
class InlineStream final : public BatchStream {
 public:
  InlineStream(RowWork& work, const PlanOptions& plan, const RowFormat& format, int local_rank)
      : work_(work), plan_(plan), format_(format), local_rank_(local_rank), rows_(static_cast<int>(plan_.max_rank_rows())) {
    home_ = std::make_shared<LeasedSlots>(work.memory(), work.slot_bytes(rows_), std::vector<std::unique_ptr<WorkSlot>>(),
                                          [this](WorkSlot& slot) { free_.push_back(&slot); });
    free_.push_back(&add_slot());
  }
  ~InlineStream() override { home_->detach(); }

  std::optional<Batch> next() override {
    const During wait(waits_, 1);
    return load_next();
  }
  std::optional<Batch> try_next() override { return std::nullopt; }
  std::uint64_t bytes() const { return home_->bytes(); }
  void look(LoaderSnapshot& into) const {
    home_->look(into.slots);
    const Activity::Seen waits = waits_.seen();
    into.streams.push_back({local_rank_, waits.kind ? seconds_between(waits.since, SteadyClock::now()) : 0, {}});
  }

 private:
  std::optional<Batch> load_next() {
    work_.rethrow_failure();
    const LoaderOptions& options = work_.options();
    if (work_.stop || (options.batches && done_ >= *options.batches)) return std::nullopt;
    WorkSlot& slot = take_slot();
    try {
      load(slot);
      if (work_.stop) return std::nullopt; // The rows after the request are missing.
      const auto began = SteadyClock::now();
      work_.finish(slot);
      work_.judge(slot);
      work_.book(local_rank_, Stage::batch, began, SteadyClock::now(), static_cast<std::uint64_t>(slot.planned_rows), slot.batch);
    } catch (...) {
      work_.fail(std::current_exception());
      throw;
    }
    ++done_;
    slot.moves_to(SlotPlace::leased);
    return Batch(home_, slot, format_);
  }

  /// A slot that is at home, or a new one: never waits for batches that the caller itself holds.
  WorkSlot& take_slot() {
    WorkSlot* slot = nullptr;
    home_->under_lock([&] {
      if (free_.empty()) return;
      slot = free_.back();
      free_.pop_back();
    });
    if (slot) return *slot;
    return add_slot();
  }
  WorkSlot& add_slot() {
    std::unique_ptr<WorkSlot> slot = std::move(work_.make_slots(1, rows_).front());
    slot->index = static_cast<int>(home_->slots().size());  // Only this thread adds.
    slot->local_rank = local_rank_;
    return home_->add(std::move(slot));
  }

  void load(WorkSlot& slot) {
    const int thread = local_rank_;
    work_.open(slot, plan_, work_.options().first_batch + done_, work_.options().first_rank + local_rank_, thread);
    slot.chunks_left.store(work_.chunks_of(slot), std::memory_order_relaxed);
    Workspace* workspace = work_.workspaces.take();
    for (int first = 0; first < slot.planned_rows; first += work_.chunk_rows()) {
      const int count = std::min(work_.chunk_rows(), slot.planned_rows - first);
      work_.decode(slot, first, count, *workspace, thread);
      work_.augment(slot, first, count, *workspace, thread);
      slot.chunks_left.fetch_sub(1, std::memory_order_relaxed);
    }
    work_.workspaces.give_back(workspace);
  }

  RowWork& work_;
  Plan plan_;
  const RowFormat format_;
  const int local_rank_, rows_;
  std::shared_ptr<LeasedSlots> home_;
  std::vector<WorkSlot*> free_; // Guarded by home_'s lock.
  std::uint64_t done_ = 0;
  Activity waits_; // 1: in next(), which loads.
};

class InlineEngine final : public LoaderEngine {
 public:
  InlineEngine(RowWork& work, const PlanOptions& plan, const RowFormat& format) : work_(work) {
    for (int r = 0; r < work.options().local_ranks; ++r) streams_.push_back(std::make_unique<InlineStream>(work, plan, format, r));
  }
  BatchStream& stream(int local_rank) override { return *streams_.at(static_cast<std::size_t>(local_rank)); }
  void request_stop() noexcept override { work_.stop = true; }
  std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const auto& stream : streams_) sum += stream->bytes();
    return sum;
  }
  void look(LoaderSnapshot& into) const override {
    for (const auto& stream : streams_) stream->look(into);
  }

 private:
  RowWork& work_;
  std::vector<std::unique_ptr<InlineStream>> streams_;
};

}  // namespace

std::unique_ptr<LoaderEngine> make_inline_engine(RowWork& work, const PlanOptions& plan, const RowFormat& format) {
  return std::make_unique<InlineEngine>(work, plan, format);
}

}  // namespace millrace
