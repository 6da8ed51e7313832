#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace millrace {

// The arithmetic of what can be said of a table from its numbers alone, published or our own: functions over numbers, of which
// findings.h makes sentences.

/// D1: the parts of a step, added up over all steps, against the wall.
struct Books {
  double parts_seconds = 0, wall_seconds = 0;
  double ratio() const { return parts_seconds / wall_seconds; }
};
Books close_books(double load_seconds, double update_seconds, double steps, double wall_seconds);

/// D1: w workers cannot deliver faster than one of them's load over w. False where the wall a step is below that.
struct WorkerBound {
  double bound_seconds = 0, step_seconds = 0;
  bool holds() const { return bound_seconds <= step_seconds; }
};
WorkerBound worker_bound(double load_alone_seconds, int workers, double wall_seconds, double steps);

/// D2: class accuracies, weighted by the classes' sizes, and each class's errors.
struct ClassCheck {
  double weighted = 0;  ///< In the unit of the input.
  std::vector<std::int64_t> errors;
  std::int64_t total_errors = 0;
  std::size_t worst = 0;         ///< The class with the most errors,
  double expected_at_worst = 0;  ///< and how many the other classes' error rate predicts for it.
};
ClassCheck check_classes(const std::vector<double>& accuracy_percent, const std::vector<std::int64_t>& sizes);

/// D6: the share of the wall that a metric leaves out.
double hidden_share(double metric_seconds, double wall_seconds);

/// D7: one standard deviation of an accuracy (a share) on n images, and a difference in units of that of a difference.
double accuracy_deviation(double accuracy, double images);
double deviations_apart(double a, double b, double images);
/// D7: whether two samples of repetitions overlap: then their order says nothing.
bool overlap(const std::vector<double>& a, const std::vector<double>& b);

/// D9: how far the first epoch lies off the median of the rest.
struct StartUp {
  double first_seconds = 0, rest_mean = 0, rest_median = 0, excess_seconds = 0;  ///< excess: over the mean of the rest.
  double share = 0;                                                              ///< Of the total.
  bool off = false;                                                              ///< By more than 5 %.
};
StartUp start_up(const std::vector<double>& epoch_seconds);

/// D10: the first epoch (from 1) of two in a row within one point of chance, or of a loss that is not finite; 0: it learns.
std::size_t not_learning(const std::vector<double>& accuracy, const std::vector<double>& loss, int classes);

/// Bytes that a ring all-reduce moves between each two neighbours: 2(W-1)/W of the data.
double ring_bytes(double bytes, double ranks);

/// The learning rate for `batch` by the two usual rules, from a rate that fits a batch.
struct LrRules {
  double linear = 0, square_root = 0;
};
LrRules lr_rules(double lr, double lr_batch, double batch);

/// Linear warm-up: the factor in epoch e (from 0), from `start` to 1 over `epochs`.
double warm_up_factor(double start, double epochs, double epoch);

/// The global batch from which on `ranks` are as fast as one, if a step costs one share of images plus a constant:
/// T1 = c G a step, TW = c G/W + L, measured at G; then c G* = c G*/W + L.
double break_even_batch(double one_seconds, double many_seconds, double ranks, double batch);

}  // namespace millrace
