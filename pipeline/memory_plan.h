#pragma once
#include <cstdint>
#include <string>

#include "pipeline/loader.h"

namespace millrace {

/// What a loader takes in memory, part by part, before it takes it.
/// Units: bytes, of this process over all of its ranks.
struct MemoryForecast {
  std::uint64_t slots = 0;       ///< Batches: pictures, labels, ids, positions.
  std::uint64_t workspaces = 0;  ///< A worker's file, decoded picture, scratch and what its decoder's library takes, times the workers.
  std::uint64_t plan = 0;        ///< The epoch's permutation.
  std::uint64_t threads = 0;     ///< Their stacks, and what malloc keeps for each of them.
  std::uint64_t code = 0;        ///< Pages of libraries that only loading touches, and their tables: once a process.
  std::uint64_t cache = 0;       ///< The most that cached samples may take.
  std::uint64_t beside = 0;      ///< Another loader's, which lives at the same time (an evaluation's).

  int slot_count = 0, workspace_count = 0;
  std::uint64_t slot_bytes = 0, workspace_bytes = 0;  ///< Of one.
  std::uint64_t buffer_bytes = 0;  ///< The part of a workspace that it keeps from picture to picture; decoders give the rest back.
  BufferSizes buffers;             ///< That part, buffer by buffer.
  Size largest;                  ///< The largest picture looked at; 0 x 0: none was.
  std::uint64_t largest_file = 0;
  int looked_at = 0;             ///< How many pictures' headers were.

  std::uint64_t total() const { return slots + workspaces + plan + threads + code + cache + beside; }
  /// The same with another number of workers and batches in waiting, a rank: nothing is looked at anew.
  MemoryForecast with(int workers, int prefetch, int local_ranks) const;
};

/// Encoded pictures differ in size: up to 32 of the set, evenly spread, are opened and the largest decides what a worker is given.
/// A larger one, should it come, takes more while it is worked on, and the worker gives that back afterwards (LoaderOptions::workspace_bytes).
/// Threads: one caller; reads the source.
/// Errors: as Plan's, for a batch that does not fit the set.
MemoryForecast forecast_memory(const Source& source, const Recipe& recipe, const LoaderOptions& options);

}  // namespace millrace
