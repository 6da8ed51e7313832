#pragma once
#include "experiments/figures.h"
#include "experiments/results.h"

namespace millrace {

/// Our own cells as a table of figures, so that every detector runs on them: one row a cell (the median of its repetitions, their
/// range), settings under the short names that published rows use (model ranks mode batch_per_rank workers lr ...), and
/// images, test_images, classes, cores as recorded. t_batch, t_epoch: the published definition, after the fetch and without
/// loading (the slowest rank's mean); wall: an epoch of training; rank_rate: sum of the ranks' own images/s; weights_norm: after the
/// first epoch; epochs_to_target: until train.target_accuracy ended the run, and one more than were run where it did not.
FigureTable measured_table(const std::vector<CellSummary>& cells);

/// One row a run, with its series: what is said of single runs (first epochs, no learning) names the run.
FigureTable measured_runs(const std::vector<CellSummary>& cells);

/// "affine on, batch 32", or "the run" where there is no grid.
std::string own_label(const CellSummary& cell);

/// What a cell was run with, under a spec's key ("train.ranks", "augment.affine") or an axis' name. Null where neither has it.
Json own_setting(const CellSummary& cell, const std::string& key);

/// Ranks and workers of this row share cores with one another; then what they take says little of as many cores.
bool shares_cores(const FigureRow& row);

}  // namespace millrace
