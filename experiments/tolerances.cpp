#include "experiments/tolerances.h"

#include <algorithm>
#include <cmath>

#include "experiments/beside.h"
#include "experiments/measured.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

constexpr double kEpsilon = 1e-9;  ///< Of sums of decimals.

}  // namespace

Figure in_unit(const FigureTable& published, const std::string& column, Figure f) {
  if (!published.in_percent(column)) return f;
  f.value *= 100, f.low *= 100, f.high *= 100;
  f.text = fixed(f.value, 2);
  return f;
}

const Tolerance* tolerance_for(const FigureTable& published, const FigureRow& row, const FigureRow& ours, const std::string& column,
                               bool scaled) {
  for (const Tolerance& t : published.tolerances) {
    const bool named = std::find(t.metrics.begin(), t.metrics.end(), column) != t.metrics.end();
    const bool applies = named && has_settings(row, t.where) && has_settings(ours, t.ours) && !(t.needs_cores && shares_cores(ours));
    if (applies && !(scaled && t.unscaled)) return &t;
  }
  return nullptr;
}

bool within(const Tolerance& t, const Figure& theirs, const Figure& ours) {
  const double allowed = t.within + t.within_share * std::abs(theirs.value);
  const bool near = allowed == 0 || std::abs(ours.value - theirs.value) <= allowed + kEpsilon;
  return near && (t.high <= t.low || (ours.value >= t.low - kEpsilon && ours.value <= t.high + kEpsilon));
}

void judge_tolerances(const FigureTable& published, const FigureTable& measured, const std::vector<CellSummary>& cells, bool scaled,
                      Findings& out) {
  for (const Tolerance& t : published.tolerances) {
    if (t.metrics.empty()) continue;
    if (scaled && t.unscaled) {
      out.push_back({"tolerance", joined(t.metrics) + " is not judged: the study is scaled down."});
      continue;
    }
    std::size_t judged = 0, kept = 0, sharing = 0;
    std::vector<std::string> outside;
    double low = HUGE_VAL, high = -HUGE_VAL, widest = 0;
    for (const FigureRow& row : published.rows) {
      if (!has_settings(row, t.where)) continue;
      for (const CellSummary* cell : matching(published, row, cells)) {
        const FigureRow* mine = measured.named(own_label(*cell));
        for (const std::string& column : t.metrics) {
          const Figure *theirs = row.find(column), *f = mine ? mine->find(column) : nullptr;
          const bool same_length = !mine || setting(row, "epochs") == mine->settings.value("epochs", Json()) || column != "accuracy";
          if (!theirs || !f || !same_length || !has_settings(*mine, t.ours)) continue;
          if (t.needs_cores && shares_cores(*mine)) {
            ++sharing;
            continue;
          }
          const Figure ours = in_unit(published, column, *f);
          ++judged;
          low = std::min(low, ours.value), high = std::max(high, ours.value);
          widest = std::max(widest, std::abs(ours.value - theirs->value));
          if (within(t, *theirs, ours))
            ++kept;
          else
            outside.push_back(mine->name + " " + column + " " + fixed(ours.value, published.in_percent(column) ? 2 : 4) + " (published " +
                              theirs->text + ")");
        }
      }
    }
    if (!judged && sharing) {
      out.push_back({"tolerance", joined(t.metrics) + ": " + counted(sharing, "cell") + " not testable here: ranks and workers share cores."});
      continue;
    }
    if (!judged && t.ours.is_object()) continue;  // For studies of another kind.
    if (!judged) {
      out.push_back({"tolerance", joined(t.metrics) + ": no cell of this grid, run to the published epochs, to judge."});
      continue;
    }
    const int decimals = published.in_percent(t.metrics[0]) ? 2 : 4;
    std::string text = joined(t.metrics) + ": " + std::to_string(kept) + " of " + counted(judged, "cell") + " within ";
    if (t.high > t.low) text += span(t.low, t.high, 1);
    if (t.within > 0) text += plain(t.within) + " of the published figure (widest " + fixed(widest, decimals) + ")";
    if (t.within_share > 0) text += pct(t.within_share, 0) + " of the published figure";
    if (t.apart > 0)
      text += "; they lie " + fixed(high - low, decimals) + " apart, " + (high - low <= t.apart + kEpsilon ? "within" : "beyond") +
              " the " + plain(t.apart) + " allowed";
    out.push_back({"tolerance", text + (outside.empty() ? "." : "; outside: " + some(outside) + ".")});
  }
}

/// Curves: every epoch of every run from a given one on.
void judge_curves(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled, Findings& out) {
  for (const Tolerance& t : published.tolerances) {
    if (t.series.empty()) continue;
    if (scaled && t.unscaled) {
      out.push_back({"tolerance", "the curves of " + t.series + " are not judged: the study is scaled down."});
      continue;
    }
    std::size_t judged = 0, kept = 0;
    double widest = 0;
    std::string where;
    for (const FigureRow& row : published.rows) {
      const auto theirs = row.series.find(t.series);
      if (theirs == row.series.end() || !has_settings(row, t.where)) continue;
      for (const CellSummary* cell : matching(published, row, cells))
        for (const RunResult* run : cell->runs)
          for (std::size_t e = t.from_epoch; e <= std::min(run->epochs.size(), theirs->second.size()); ++e) {
            const Json value = run->epochs[e - 1].value(t.series, Json());
            if (!value.is_number()) continue;
            const double off = std::abs(value.get<double>() - theirs->second[e - 1].value);
            ++judged;
            kept += off <= t.within + kEpsilon;
            if (off <= widest) continue;
            widest = off;
            where = own_label(*cell) + ", epoch " + std::to_string(e);
          }
    }
    if (judged)
      out.push_back({"tolerance", "curves of " + t.series + " from epoch " + std::to_string(t.from_epoch) + " on: " + std::to_string(kept) +
                                      " of " + counted(judged, "point") + " within " + plain(t.within) + "; widest " + fixed(widest, 4) +
                                      " (" + where + ")."});
  }
}

}  // namespace millrace
