#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/batch.h"
#include "pipeline/clock.h"
#include "pipeline/decoder.h"
#include "pipeline/jpeg_ways.h"
#include "pipeline/faults.h"
#include "pipeline/queue.h"
#include "pipeline/recipe.h"
#include "pipeline/snapshot.h"
#include "pipeline/source.h"
#include "pipeline/trace.h"

namespace millrace {

inline constexpr int kMaxThreads = 1000; ///< Of a loader's workers over its ranks; a bound on mistakes, not a target.

/// Bytes of a worker's buffers, one by one.
struct BufferSizes {
  std::uint64_t file = 0, canvas = 0;
  std::array<std::uint64_t, std::tuple_size_v<decltype(Scratch::buffers)>> scratch{};
};

struct LoaderOptions {
  int workers = 1;                      ///< Threads a local rank; 0: the trainer's own thread loads when it asks.
  int prefetch = 2;                     ///< Batches a rank that may wait in its queue, beside the one in use and the one in upload.
  std::uint64_t batch = 64;             ///< Global batch: rows over all ranks.
  int world_size = 1, first_rank = 0, local_ranks = 1;
  Sampler sampler = Sampler::shuffled;
  bool drop_last = false;
  std::uint64_t seed = 0;
  std::uint64_t first_batch = 0;        ///< Global batch number to start at: resuming is starting here.
  std::optional<std::uint64_t> batches; ///< How many; empty: endless.
  int rows_per_message = 0;             ///< Of raw samples (0: about 200 kB of rows, 64 at most); encoded ones travel singly.
  double extra_us_per_image = 0;        ///< Busy wait in the augment stage, to build a slower loader on purpose.
  FaultPolicy faults;
  BufferSizes buffers;                  ///< A worker's from the start: what grows picture by picture leaves holes in the heap that malloc keeps.
  std::uint64_t workspace_bytes = 0;    ///< A worker that held more for one picture gives its buffers back after it; 0: it keeps them.
  SlotMemory* memory = nullptr;         ///< Null: plain_slot_memory(). Must outlive the loader and its batches.
  std::function<std::unique_ptr<Decoder>()> make_decoder; ///< For encoded sources; one call a worker.
  std::shared_ptr<const JpegWays> jpeg_ways; ///< What these decoders add to, for the report. Null: it says 0.
  Trace* trace = nullptr;               ///< Where stages and queues are traced. Null: nowhere. Must outlive the loader.
  std::string trace_group = "loader";   ///< One loader at a time writes a group.
};

struct LoaderReport {
  struct OfStage {
    Stage stage;
    StageStats stats;
  };
  std::vector<OfStage> stages;
  std::vector<QueueStats> queues;       ///< One a local rank; empty with workers = 0.
  std::vector<SlowSample> slowest;      ///< The slowest first; since the loader was made, or forget_slowest().
  std::uint64_t batches_delivered = 0, images_delivered = 0, progressive_jpegs = 0;
  std::uint64_t fast_jpegs = 0, library_jpegs = 0; ///< Decoded by either way (JpegWays), for a cache too.
  std::uint64_t bad_samples = 0;        ///< Planned rows whose sample was bad.
  std::uint64_t bad_files = 0;          ///< Distinct samples with a fault, substitutes among them.
  std::vector<Fault> faults;            ///< One of each of the first FaultLedger::kMaxListed of these.
  std::uint64_t bytes = 0;              ///< Slots' memory: the bound printed at start.
  std::uint64_t large_pictures = 0;     ///< For which a worker needed more than LoaderOptions::workspace_bytes.
  std::string memory;                   ///< SlotMemory::name(): says so where page-locking was wanted and could not be had.
  int threads_seen = 0;                 ///< Distinct threads that ran a stage.
  double wall_seconds = 0;              ///< Since the loader was made.
};

/// One flow graph that turns a source into ordered batches for the ranks of this process, over a range of global batch
/// numbers. Slots circulate: work exists only where a free slot exists, so memory is bounded and a slow trainer stops the
/// graph by keeping its slots. Epochs are marks on batches; nothing drains between them.
/// The same (options, source, recipe) give the same batches for any workers, prefetch and, merged, any world size.
/// Threads: one caller a stream; request_stop, report, snapshot and bytes from any thread.
/// Owns:    its slots, threads and plan; source, recipe and memory must outlive it. Batches may outlive it.
/// Errors:  Error(usage) from the constructor; afterwards the first failure is thrown by the streams' next().
class Loader {
 public:
  Loader(const Source& source, const Recipe& recipe, LoaderOptions options);
  ~Loader(); ///< Stops and joins; never waits for batches that are still leased.

  BatchStream& stream(int local_rank = 0);
  void request_stop() noexcept; ///< Streams end after the batches already in their queues are dropped.
  LoaderReport report() const;
  LoaderSnapshot snapshot() const; ///< Where everything is now; stops nothing.
  void forget_slowest();    ///< After a warm-up, whose messages pay for what is made once.
  std::uint64_t bytes() const;
  const RowFormat& format() const;
  std::uint64_t steps_per_epoch() const;
  std::uint64_t samples_per_epoch() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
