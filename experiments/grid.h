#pragma once
#include <string>
#include <utility>
#include <vector>

#include "experiments/document.h"
#include "experiments/spec.h"

namespace millrace {

/// One point of a study's grid: a value for each axis, in the axes' order.
using Cell = std::vector<std::pair<std::string, Json>>;

/// All combinations; the last axis runs fastest. No axes: one empty cell.
std::vector<Cell> expand(const std::vector<Axis>& axes);

/// Keeps one value of an axis. Errors: Error(usage) for an axis or a value that the study does not have.
void restrict_axis(std::vector<Axis>& axes, const std::string& key, const Json& value);

/// Whether a rule leaves this cell out.
bool skipped(const Cell& cell, const std::vector<When>& rules);

/// The spec of one cell and repetition: the axes' values and those of the rules that match put in, and the repetition added to
/// both seeds, so that repetitions differ in their random numbers, and cells of one repetition do not.
Spec spec_of(const Document& base, const Cell& cell, int repetition, int cores, const std::vector<When>& rules = {});

/// "workers 2", "affine off", "batch 32": an axis and its value as people read them.
std::string axis_label(const std::string& key, const Json& value);
std::string axis_name(const std::string& key);
std::string value_text(const Json& value);
/// "affine on, batch 32"; without the axis `except`.
std::string cell_label(const Cell& cell, const std::string& except = {});
Json to_json(const Cell& cell);
Cell cell_from(const Json& json);

}  // namespace millrace
