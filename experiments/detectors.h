#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "experiments/json.h"

namespace millrace {

// What can be said of a table of timings and accuracies from its numbers alone, published or our own. Each detector is a
// function over numbers; sentences are made from what they return (comparison.cpp). Numbers as in studies of loaders:
// D1 closed books, D2 identities, D4 unequal settings, D6 hidden share, D7 not distinguishable, D9 start-up, D10 not learning.

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

/// D4: the settings in which two rows differ.
std::vector<std::string> differing_keys(const Json& a, const Json& b);

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

}  // namespace millrace
