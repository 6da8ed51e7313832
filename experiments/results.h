#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/grid.h"

namespace millrace {

/// One run as its records tell it.
struct RunResult {
  Json run;  ///< Its provenance.
  std::vector<Json> epochs;
  std::string outcome;  ///< complete, failed, stopped; empty: the process ended without a word.
  std::string error;
  Cell cell;
  int repetition = 0;
  bool complete() const { return outcome == "complete"; }
};

/// The share of an epoch that its `ranks` and `loader` cover: all of it, or what came after a resume within it. Its other figures are of the
/// whole epoch.
double covered_share(const Json& epoch);

/// results.jsonl, read. A run begun anew under the same name replaces the earlier attempt.
struct StudyResults {
  Json study;                  ///< The latest study record, or null,
  std::size_t study_line = 0;  ///< and its line.
  std::vector<RunResult> runs;
  std::size_t foreign = 0;  ///< Runs taken out by keep_planned.
  std::string passed_over;  ///< A study that has no finished run, beside finished ones that are not its: said by keep_planned.
};
StudyResults collect(const std::vector<Json>& records);

/// Keeps the runs whose settings the latest study plans (by their digest), each in the cell that it plans for them; the others
/// come from another state of the spec, other --set or another command in the same folder. Without a study all stay; where nothing of the
/// study is finished and something else is, the others stay and the study goes.
void keep_planned(StudyResults& results);

/// How much of what the latest study plans is there. Without a plan all is.
struct Completion {
  std::size_t done = 0, planned = 0;  ///< Runs.
  std::vector<Cell> open;             ///< Cells that lack a run.
  std::string command;                ///< What goes on with it.
  bool whole() const { return done == planned; }
};
Completion completion_of(const StudyResults& results);

/// Median and range of some repetitions.
struct Spread {
  double median = 0, low = 0, high = 0;
  std::size_t count = 0;
  static Spread of(std::vector<double> values);
};
/// "12,345", or "12,345 (11,900-12,800)" where there is more than one.
std::string text_of(const Spread& spread, int digits = 4);

/// One cell of the grid over its complete repetitions. Times are of training alone, without evaluation.
struct CellSummary {
  Cell cell;
  std::vector<const RunResult*> runs;
  std::size_t failed = 0;
  double batch = 0, workers = 0;
  Spread images_per_second;                                  ///< Without the first epoch, where there are more.
  Spread total_seconds;                                      ///< All epochs.
  Spread load_ms, update_ms;                                 ///< A step: waiting; upload, forward, backward, reduce and optimizer.
  Spread accuracy;                                           ///< Of the last epoch that has one; count 0: none.
  Spread unaccounted;                                        ///< Share of the wall.
  std::vector<std::pair<std::string, double>> us_per_image;  ///< Median of each phase; the last is "unaccounted".
  /// Of a worker's time: read, decode (without reading), augment, and "other": the graph, and waiting for a free slot. They add
  /// up to workers x wall over images (workers = 0: the trainer's thread). Empty where the records hold no stages.
  std::vector<std::pair<std::string, double>> stage_us_per_image;
  double wait_share = 0, reduce_share = 0;  ///< Of the wall, waiting for a batch and for all-reduce; medians.
};

/// In the grid's order. Without a study each run is a cell of its own.
std::vector<CellSummary> summarize(const StudyResults& results);

/// loader-bound: over half of the wall is waiting; compute-bound: under a tenth; communication-bound: so, and over a third is all-reduce.
const char* verdict(const CellSummary& cell);

}  // namespace millrace
