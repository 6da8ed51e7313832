#pragma once
#include <optional>
#include <string>
#include <vector>

#include "experiments/results.h"

namespace millrace {

/// One thing that the numbers say, and the detector that says it.
struct Finding {
  std::string detector;  ///< "D1"
  std::string text;
};

/// What a published table says when its own figures are put together (the published/*.toml of a study).
std::vector<Finding> judge_published(const Json& published);

/// What our own cells say: closed books, order over workers, overlaps, start-up, learning.
std::vector<Finding> judge_own(const std::vector<CellSummary>& cells);

/// D11, of cells that read encoded pictures and wait for them: the parts of a worker's time, and the floor that reading and
/// decoding alone set. Empty where there is no such cell.
std::optional<Finding> judge_stages(const std::vector<CellSummary>& cells);

/// Our cells against the published rows: tolerances, and what cannot be compared.
std::vector<Finding> judge_both(const Json& published, const std::vector<CellSummary>& cells);

/// The published rows with, where settings agree, our cells beside them; as Markdown.
std::string side_by_side(const Json& published, const std::vector<CellSummary>& cells);

}  // namespace millrace
