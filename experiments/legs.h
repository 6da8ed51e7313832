#pragma once
#include <string>
#include <vector>

#include "experiments/training.h"
#include "experiments/verdict.h"

namespace millrace {

struct LegOptions {
  double seconds = 40;       ///< For all of it, start and warm-up too; a round that has begun is finished.
  double interval = 0.02;    ///< Ends earlier once every leg's interval is as narrow, as a share of its median.
};

/// A sample that took long, by its file.
struct SlowOrigin {
  std::string origin;
  SlowSample sample;
};

/// The six legs of a spec, and what the books of their windows say. Windows are summed over the rounds, without warm-up.
struct LegsMeasured {
  LegReadings readings;
  LoaderReport loader, everything;        ///< Of L and of E.
  train::Phases phases;                   ///< Of E, of the rank that waited longest (rank 0 where none did).
  double wall_seconds = 0;                ///< Of E, all windows of that rank,
  double unaccounted_seconds = 0;         ///< and what its books leave out.
  std::vector<SlowOrigin> slowest;        ///< In L and E, the slowest first.
  std::string device, data;
  std::uint64_t parameters = 0, loader_bytes = 0, set_bytes = 0;
  int rounds = 0, resident_batches = 0;
  double seconds = 0, window_seconds = 0; ///< That all took; what one leg's window is meant to take.
  bool narrow = false;                    ///< It ended because the intervals were narrow.
};

/// Runs the legs in rounds, all in this process. Errors: those of what it assembles. A stop ends it after the leg under way; what was measured by
/// then is returned, perhaps nothing (rounds = 0).
/// Threads: one caller.
LegsMeasured measure_legs(const Spec& spec, SourceShelf& sources, const Context& context, const LegOptions& options);

}  // namespace millrace
