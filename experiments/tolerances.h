#pragma once
#include "experiments/findings.h"
#include "experiments/results.h"

namespace millrace {

/// Our figure in the unit of the published column.
Figure in_unit(const FigureTable& published, const std::string& column, Figure ours);

/// What a re-run may be off in this cell; null: nothing is asked, or the study is scaled down and then nothing is.
const Tolerance* tolerance_for(const FigureTable& published, const FigureRow& row, const FigureRow& ours, const std::string& column, bool scaled);
bool within(const Tolerance& allowed, const Figure& theirs, const Figure& ours);

/// Every [[tolerance]] of a published table, judged on our cells: figures, then curves epoch by epoch.
void judge_tolerances(const FigureTable& published, const FigureTable& measured, const std::vector<CellSummary>& cells, bool scaled, Findings& out);
void judge_curves(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled, Findings& out);

}  // namespace millrace
