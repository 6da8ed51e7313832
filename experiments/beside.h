#pragma once
#include <string>

#include "experiments/figures.h"
#include "experiments/findings.h"
#include "experiments/results.h"

namespace millrace {

/// The published rows with, where settings agree, our cells beside them, each figure with the verdict of its tolerance; as
/// Markdown. Rows without a cell say why.
std::string side_by_side(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled);

/// Our cells against the published rows: tolerances, the orders that a re-run must show, and what cannot be compared.
/// `scaled`: the study is smaller than the published one. `whole`: all of its cells are there, so that one of them is the best.
Findings judge_both(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled, bool whole = true);

/// Our cells that ran with a published row's settings, as far as the table's [match] names them.
std::vector<const CellSummary*> matching(const FigureTable& published, const FigureRow& row, const std::vector<CellSummary>& cells);

}  // namespace millrace
