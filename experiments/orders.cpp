#include "experiments/orders.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "experiments/measured.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

constexpr double kEpsilon = 1e-9;  ///< Of sums of decimals.

/// A place along an axis: a number, or off before on.
std::optional<double> place(const FigureRow& row, const std::string& key) {
  const Json value = setting(row, key);
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  return std::nullopt;
}

bool keeps(const Order& o, const Figure& from, const Figure& to) {
  const double slack = o.slack + o.slack_share * std::abs(from.value), rise = to.value - from.value;
  if (!(o.direction == "falls" ? rise <= slack : o.direction == "rises" ? rise >= -slack : std::abs(rise) <= slack)) return false;
  if (o.cut_high <= 0) return true;
  const double cut = 1 - std::min(from.value, to.value) / std::max(from.value, to.value);
  return cut >= o.cut_low - kEpsilon && cut <= o.cut_high + kEpsilon;
}

}  // namespace

void judge_orders(const FigureTable& published, const FigureTable& measured, Findings& out) {
  for (const Order& o : published.orders) {
    double cut_low = HUGE_VAL, cut_high = -HUGE_VAL;
    std::size_t pairs = 0, kept = 0, untestable = 0, chance = 0;
    std::vector<std::string> broken;
    for (const FigureRow& a : measured.rows)
      for (const FigureRow& b : measured.rows) {
        const auto x = place(a, o.along), y = place(b, o.along);
        if (!x || !y || *x >= *y || !has_settings(a, o.where) || !has_settings(b, o.where)) continue;
        if (!std::all_of(o.equal.begin(), o.equal.end(), [&](const std::string& key) { return agree(a, b, key); })) continue;
        // Neighbours along the axis only: what lies between has its own pairs.
        const bool between = std::any_of(measured.rows.begin(), measured.rows.end(), [&](const FigureRow& m) {
          const auto z = place(m, o.along);
          return z && *x < *z && *z < *y && has_settings(m, o.where) &&
                 std::all_of(o.equal.begin(), o.equal.end(), [&](const std::string& key) { return agree(a, m, key); });
        });
        if (between) continue;
        for (const std::string& metric : o.metrics) {
          const Figure *p = a.find(metric), *q = b.find(metric);
          if (!p || !q) continue;
          if (o.needs_cores && (shares_cores(a) || shares_cores(b))) {
            ++untestable;
            continue;
          }
          ++pairs;
          const double cut = 1 - std::min(p->value, q->value) / std::max(p->value, q->value);
          cut_low = std::min(cut_low, cut), cut_high = std::max(cut_high, cut);
          if (keeps(o, *p, *q))
            ++kept;
          else if (p->low <= q->high && q->low <= p->high && a.runs > 1 && b.runs > 1)
            ++chance;
          else
            broken.push_back(metric + " of " + b.name + " (" + significant(q->value, 4) + ") against " + a.name + " (" +
                             significant(p->value, 4) + ")");
        }
      }
    std::string text = "\"" + o.text + "\"";
    if (pairs)
      text += ": holds in " + std::to_string(kept) + " of " + counted(pairs, "pair") + " of ours" +
              (chance ? ", " + std::to_string(chance) + " not distinguishable by their repetitions" : "") +
              (broken.empty() ? "" : "; not in " + some(broken, 4));
    if (pairs && o.cut_high > 0) text += " (cut by " + span(100 * cut_low, 100 * cut_high, 1) + " %, asked " + span(100 * o.cut_low, 100 * o.cut_high, 1) + " %)";
    if (untestable)
      text += std::string(pairs ? "; " : ": ") + counted(untestable, "pair") + " not testable here: ranks and workers share cores";
    if (!pairs && !untestable) text += ": no pair of this grid to judge";
    out.push_back({"order", text + "."});
  }
}

void judge_floor(const FigureTable& published, const FigureTable& measured, Findings& out) {
  const Json limits = published.extra.value("floor", Json());
  if (!limits.is_object()) return;
  const double at_most = limits.value("at_most", 0.0);
  const auto equal = limits.value("equal", std::vector<std::string>());
  std::vector<double> ratios;
  std::vector<std::string> beyond;
  std::size_t sharing = 0;
  for (const FigureRow& row : measured.rows) {
    const double workers = number_of(row.settings, "workers", 0);
    const auto alone = std::find_if(measured.rows.begin(), measured.rows.end(), [&](const FigureRow& r) {
      return setting(r, "workers") == 0 && std::all_of(equal.begin(), equal.end(), [&](const std::string& key) { return agree(row, r, key); });
    });
    const auto works = works_of(row.settings);
    const Figure *update = row.find("update"), *wall = row.find("wall");
    if (workers < 1 || alone == measured.rows.end() || !update || !wall || works.empty() || works[0].steps <= 0) continue;
    const double floor = std::max(alone->find("load")->value / workers, update->value) * works[0].steps;
    if (floor <= 0) continue;
    if (shares_cores(row)) {
      ++sharing;
      continue;
    }
    ratios.push_back(wall->value / floor);
    if (ratios.back() > at_most) beyond.push_back(row.name + " " + fixed(ratios.back(), 2));
  }
  if (ratios.empty() && !sharing) return;
  std::string text = "Wall over the larger of (load of w = 0) / w and update: ";
  if (ratios.empty())
    text += "not testable here, ";
  else
    text += span(*std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()), 2) + " in " + counted(ratios.size(), "row") +
            ", asked at most " + fixed(at_most, 2) + (beyond.empty() ? "" : "; beyond: " + some(beyond)) + (sharing ? "; " : "");
  if (sharing) text += counted(sharing, "row") + " with more workers than free cores not judged";
  out.push_back({"D1", text + "."});
}

}  // namespace millrace
