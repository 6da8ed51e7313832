#pragma once
#include <array>
#include <cmath>

#include "train/api.h"

namespace millrace::train {

/// What a rank brings to the end of a step. Added up over the ranks it is what all of them act on, at the same step; it travels as
/// floats behind the last bucket of gradients (exact up to 2^24 rows).
struct Tally {
  double rows = 0;      ///< Valid ones.
  double stop = 0;      ///< 1: a stop was requested here; this step is the last.
  double ended = 0;     ///< 1: there was no batch here; nobody steps.
  double failed = 0;    ///< 1: something threw here; nobody steps.
  double nonfinite = 0; ///< 1: the loss is not finite here; nobody steps.

  static constexpr int kValues = 5, kNonfinite = 4; ///< How many, and which of them that is.
  std::array<double, kValues> values() const { return {rows, stop, ended, failed, nonfinite}; }
  /// A GPU says that a loss is not finite by a NaN in its place, which costs one kernel: added up, it stays one.
  static Tally of(const std::array<double, kValues>& v) { return {v[0], v[1], v[2], v[3], std::isnan(v[kNonfinite]) ? 1 : v[kNonfinite]}; }
  bool steps() const { return rows > 0 && ended == 0 && failed == 0 && nonfinite == 0; }
};

/// The sum over ranks where no gradients travel. Errors: Error(communication).
Tally sum_over_ranks(World& world, const Tally& mine);

}  // namespace millrace::train
