#pragma once
#include "experiments/findings.h"

namespace millrace {

/// Every [[order]] of a published table, judged on neighbouring pairs of our rows: kept, not distinguishable by their repetitions, broken.
void judge_orders(const FigureTable& published, const FigureTable& measured, Findings& out);

/// With w workers a step takes at least what its batch takes them, and at least its update: how near to that the wall comes ([floor]).
void judge_floor(const FigureTable& published, const FigureTable& measured, Findings& out);

}  // namespace millrace
