#include "experiments/detectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace millrace {

Books close_books(double load_seconds, double update_seconds, double steps, double wall_seconds) {
  return {(load_seconds + update_seconds) * steps, wall_seconds};
}

WorkerBound worker_bound(double load_alone_seconds, int workers, double wall_seconds, double steps) {
  return {load_alone_seconds / std::max(1, workers), wall_seconds / steps};
}

ClassCheck check_classes(const std::vector<double>& accuracy_percent, const std::vector<std::int64_t>& sizes) {
  ClassCheck out;
  double weighted = 0;
  std::int64_t total = 0;
  const std::size_t n = std::min(accuracy_percent.size(), sizes.size());
  for (std::size_t c = 0; c < n; ++c) {
    const auto errors = static_cast<std::int64_t>(std::llround(double(sizes[c]) * (1 - accuracy_percent[c] / 100)));
    out.errors.push_back(errors);
    out.total_errors += errors;
    weighted += accuracy_percent[c] * double(sizes[c]);
    total += sizes[c];
    if (errors > out.errors[out.worst]) out.worst = c;
  }
  if (total == 0) return out;
  out.weighted = weighted / double(total);
  const std::int64_t others = total - sizes[out.worst];
  if (others > 0) out.expected_at_worst = double(out.total_errors - out.errors[out.worst]) / double(others) * double(sizes[out.worst]);
  return out;
}

double hidden_share(double metric_seconds, double wall_seconds) { return 1 - metric_seconds / wall_seconds; }

double accuracy_deviation(double accuracy, double images) { return std::sqrt(accuracy * (1 - accuracy) / images); }

double deviations_apart(double a, double b, double images) {
  const double sd = std::sqrt(2.0) * accuracy_deviation((a + b) / 2, images);
  return sd > 0 ? std::abs(a - b) / sd : 0;
}

bool overlap(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return true;
  const auto [a_low, a_high] = std::minmax_element(a.begin(), a.end());
  const auto [b_low, b_high] = std::minmax_element(b.begin(), b.end());
  return *a_low <= *b_high && *b_low <= *a_high;
}

StartUp start_up(const std::vector<double>& epoch_seconds) {
  StartUp out;
  if (epoch_seconds.size() < 2) return out;
  std::vector<double> rest(epoch_seconds.begin() + 1, epoch_seconds.end());
  const double rest_sum = std::accumulate(rest.begin(), rest.end(), 0.0);
  std::sort(rest.begin(), rest.end());
  const std::size_t n = rest.size();
  out.first_seconds = epoch_seconds.front();
  out.rest_mean = rest_sum / double(n);
  out.rest_median = n % 2 ? rest[n / 2] : (rest[n / 2 - 1] + rest[n / 2]) / 2;
  out.excess_seconds = out.first_seconds - out.rest_mean;
  out.share = out.excess_seconds / (rest_sum + out.first_seconds);
  out.off = std::abs(out.first_seconds - out.rest_median) > 0.05 * out.rest_median;
  return out;
}

std::size_t not_learning(const std::vector<double>& accuracy, const std::vector<double>& loss, int classes) {
  for (std::size_t e = 0; e < loss.size(); ++e)
    if (!std::isfinite(loss[e])) return e + 1;
  const auto chance = [&](double a) { return std::abs(a - 1.0 / classes) < 0.01; };
  for (std::size_t e = 0; e + 1 < accuracy.size(); ++e)
    if (chance(accuracy[e]) && chance(accuracy[e + 1])) return e + 1;
  return 0;
}

double ring_bytes(double bytes, double ranks) { return 2 * (ranks - 1) / ranks * bytes; }

LrRules lr_rules(double lr, double lr_batch, double batch) { return {lr * batch / lr_batch, lr * std::sqrt(batch / lr_batch)}; }

double warm_up_factor(double start, double epochs, double epoch) {
  return epochs > 0 ? start + (1 - start) * std::min(epoch, epochs) / epochs : 1;
}

double break_even_batch(double one_seconds, double many_seconds, double ranks, double batch) {
  const double constant = many_seconds - one_seconds / ranks;
  return batch * constant / (one_seconds * (1 - 1 / ranks));
}

}  // namespace millrace
