#pragma once
#include <string>

#include "experiments/figures.h"

namespace millrace {

/// The measured rows' times by every definition that the studies use, each beside the closed wall; Markdown with its legend.
/// Speed-up: against the row of one rank that agrees in everything but the ranks (at equal G where the batch is global, at
/// equal b otherwise). Rows that share cores say so.
std::string timing_table(const FigureTable& measured);

/// When accuracies first reached `target` for `patience` evaluated epochs in a row, as Markdown; empty without a target.
std::string target_table(const FigureTable& runs, double target, int patience);

}  // namespace millrace
