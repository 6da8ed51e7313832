#pragma once
#include <optional>

#include "experiments/findings.h"
#include "experiments/results.h"

namespace millrace {

/// What our own cells say: every detector on them as a table, and what only runs can tell: books from the trainer's own clock,
/// the order over workers and its knee, first epochs and learning run by run. What compares cells waits for those that are `open`.
Findings judge_own(const std::vector<CellSummary>& cells, const std::vector<Cell>& open = {});

/// D11, of cells that read encoded pictures and wait for them: the parts of a worker's time, and the floor that reading and
/// decoding alone set. Empty where there is no such cell.
std::optional<Finding> judge_stages(const std::vector<CellSummary>& cells);

/// Cells that differ only on the axis `key`, in its order.
std::vector<std::vector<const CellSummary*>> lines_along(const std::vector<CellSummary>& cells, const std::string& key);

}  // namespace millrace
