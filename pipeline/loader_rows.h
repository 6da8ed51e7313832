#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/activity.h"
#include "pipeline/loader.h"

// What happens to rows, without any threads: shared by the flow graph and by the inline stream of workers = 0.
namespace millrace {

/// A slot with what only the loader needs to know of it.
struct WorkSlot : Slot {
  std::atomic<int> chunks_left{0};       ///< Messages of this batch that are still on their way.
  std::vector<PlannedRow> plan_memory;
  std::vector<std::int64_t> label_memory;
  std::vector<std::uint64_t> id_memory, position_memory;
  std::vector<std::uint8_t> row_ok;      ///< One writer a row.
  std::mutex mutex;                      ///< Guards `erasures` and the two below, which are rare.
  std::vector<std::pair<int, Fault>> faults;
  std::exception_ptr error;              ///< What a body threw; ends the run when this batch would be delivered.
  Activity where;                        ///< A SlotPlace, and the batch.
  void moves_to(SlotPlace place) { where.set(static_cast<unsigned>(place), batch, SteadyClock::now()); }
  LoaderSnapshot::OfSlot seen() const;
};

/// What one message carries from decode to augment. Pooled: at most one a running body.
struct Workspace {
  struct Row {
    ImageInfo info;
    ImageView visible;        ///< Decoded: the part of the draw's framing inside the picture. Raw: the whole picture.
    std::optional<Draw> draw; ///< Made before decoding, which needs the framing; of raw pixels, after.
  };
  std::unique_ptr<Decoder> decoder;
  Buffer file, canvas;
  Scratch scratch;
  Erasures erasures;          ///< Of the picture under way.
  std::vector<Row> rows;
  SteadyClock::duration reading{}; ///< Of the message that is decoded: what Stage::read was given.

  std::uint64_t bytes() const; ///< Of its buffers.
  void reserve(const BufferSizes& sizes);
  /// Gives its buffers back to the system: after a picture that was larger than expected.
  void shrink();
};

class WorkspacePool {
 public:
  explicit WorkspacePool(const LoaderOptions& options, int rows) : options_(options), rows_(rows) {}
  Workspace* take();
  void give_back(Workspace* workspace);
  /// How often a workspace held more than LoaderOptions::workspace_bytes, and was shrunk.
  std::uint64_t shrunk() const;

 private:
  const LoaderOptions& options_;
  const int rows_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> all_;
  std::vector<Workspace*> free_;
  std::uint64_t shrunk_ = 0;
};

/// The way of a row: read, decode, augment, judge. Holds no threads and no graph.
/// Threads: all functions from any thread, but one at a time for a given slot's chunk or workspace.
class RowWork {
 public:
  RowWork(const Source& source, const Recipe& recipe, const LoaderOptions& options, int threads);

  const LoaderOptions& options() const { return options_; }
  int chunk_rows() const { return chunk_rows_; }
  int chunks_of(const WorkSlot& slot) const { return (slot.planned_rows + chunk_rows_ - 1) / chunk_rows_; }

  std::vector<std::unique_ptr<WorkSlot>> make_slots(int count, int rows) const;
  std::uint64_t slot_bytes(int rows) const;
  SlotMemory& memory() const { return options_.memory ? *options_.memory : plain_slot_memory(); }

  /// Gives the slot its batch. `plan` is used by one caller at a time.
  void open(WorkSlot& slot, Plan& plan, std::uint64_t batch, int rank, int thread);
  /// Rows [first, first + count) up to pixels, or to the canvas; then into the batch's memory. Never throw: failures are
  /// recorded in the slot.
  void decode(WorkSlot& slot, int first, int count, Workspace& workspace, int thread) noexcept;
  void augment(WorkSlot& slot, int first, int count, Workspace& workspace, int thread) noexcept;
  /// Closes the gaps of bad rows, in order. Called once, by whoever finishes the batch.
  void finish(WorkSlot& slot) const;
  /// Books the batch in delivery order. Throws what ends the run.
  void judge(WorkSlot& slot);

  /// Keeps the first failure, for all streams, and stops the work.
  void fail(std::exception_ptr error) noexcept;
  void rethrow_failure() const;
  /// Enters what a worker did in its clock and in the trace. `number`: as in WorkerActivities.
  void book(int thread, Stage stage, SteadyClock::time_point began, SteadyClock::time_point ended, std::uint64_t images, std::uint64_t number,
            SteadyClock::duration within = {});
  LoaderSnapshot::OfWorker doing(int thread) const;
  TraceLane* lane_of_queue(int local_rank) const;

  WorkspacePool workspaces;
  StageClocks clocks;
  WorkerActivities activities;
  FaultLedger ledger;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> batches_delivered{0}, images_delivered{0}, progressive_jpegs{0};

 private:
  bool load_row(WorkSlot& slot, int row, std::uint64_t id, Workspace& workspace, int thread);
  bool bad(WorkSlot& slot, int row, std::uint64_t id, Fault fault) const;
  void leave_erasures(WorkSlot& slot, int row, const Draw& draw, Erasures& room) const;
  RngKey key_of(const WorkSlot& slot, std::uint64_t id) const { return {options_.seed, slot.epoch, id, 0}; }

  const Source& source_;
  const Recipe& recipe_;
  const LoaderOptions options_;
  const int chunk_rows_;
  std::vector<TraceLane*> lanes_;        ///< By worker; empty: nothing is traced.
  mutable std::mutex mutex_;
  std::exception_ptr failure_;
};


/// Which engine turns slots into batches: the graph, or the caller's own thread.
class LoaderEngine {
 public:
  virtual ~LoaderEngine() = default;
  virtual BatchStream& stream(int local_rank) = 0;
  virtual void request_stop() noexcept = 0;
  virtual std::vector<QueueStats> queue_stats() const { return {}; }
  virtual void look(LoaderSnapshot& into) const = 0; ///< At slots and streams.
  virtual std::uint64_t bytes() const = 0;
};

std::unique_ptr<LoaderEngine> make_graph_engine(RowWork& work, const PlanOptions& plan, const RowFormat& format);
std::unique_ptr<LoaderEngine> make_inline_engine(RowWork& work, const PlanOptions& plan, const RowFormat& format);

}  // namespace millrace
