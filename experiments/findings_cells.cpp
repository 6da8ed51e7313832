// D2 and D3: cells that must agree with one another, and cells that agree too well.
#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/detectors.h"
#include "experiments/findings.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

constexpr double kFourDigits = 5e-4;

/// n x t_batch against t_epoch of one row.
struct StepIdentity {
  const FigureRow* row = nullptr;
  const Figure *t_batch = nullptr, *t_epoch = nullptr;
  double steps = 0;
  double expected() const { return steps * t_batch->value; }
  double off() const { return expected() / t_epoch->value - 1; }
  bool holds() const {
    const bool within_rounding = steps * t_batch->low <= t_epoch->high && t_epoch->low <= steps * t_batch->high;
    return within_rounding || std::abs(off()) < kFourDigits;
  }
};

std::vector<StepIdentity> step_identities(const FigureTable& table) {
  std::vector<StepIdentity> out;
  for (const FigureRow& row : table.rows) {
    const auto works = works_of(row.settings);
    StepIdentity id{&row, row.find("t_batch"), row.find("t_epoch"), works.empty() ? 0 : works[0].steps};
    if (works.size() == 1 && id.t_batch && id.t_epoch) out.push_back(id);
  }
  return out;
}

void judge_steps(const FigureTable& table, Findings& out) {
  const auto ids = step_identities(table);
  std::size_t held = 0;
  std::vector<std::string> broken;
  for (const StepIdentity& id : ids) {
    if (id.holds())
      ++held;
    else
      broken.push_back(id.row->name + ": " + fixed(id.steps, 0) + " x " + id.t_batch->text + " = " + significant(id.expected(), 4) +
                       " s, printed " + significant(id.t_epoch->value, 4) + " s (" + signed_pct(id.off()) + ")");
  }
  if (ids.empty()) return;
  out.push_back({"D2", "The identity t_epoch = n x t_batch holds to 4 digits in " + std::to_string(held) + " of " +
                           counted(ids.size(), "row") + (broken.empty() ? "." : "; not in " + some(broken) + ".")});
}

/// Rate x time of one epoch against the images that it trains on.
void judge_rate(const FigureRow& row, std::size_t epoch, const Figure& rate, const Figure& seconds, Findings& out) {
  const auto works = works_of(row.settings);
  if (works.empty()) return;
  const double images = rate.value * seconds.value;
  const double rounding = images * ((rate.high - rate.low) / rate.value + (seconds.high - seconds.low) / seconds.value) / 2;
  std::vector<std::string> fitting;
  double nearest = HUGE_VAL;
  for (const Work& w : works) {
    const double off = images - w.trained;
    if (std::abs(off) < std::abs(nearest)) nearest = off;
    if (std::abs(off) <= std::max(rounding, 1.0))
      fitting.push_back(fixed(w.steps, 0) + " x " + fixed(w.batch, 0) + " x " + fixed(w.ranks, 0));
  }
  const std::string head = row.name + " epoch " + std::to_string(epoch) + ": " + rate.text + " images/s x " + seconds.text +
                           " s = " + grouped(images) + " images";
  if (fitting.size() > 1)
    out.push_back({"D2", head + ", which is " + joined(fitting) +
                             " alike (steps x rows x ranks): the rate cannot tell which batch it was, and the source does not say."});
  else if (fitting.empty())
    out.push_back({"D2", head + ", " + grouped(std::abs(nearest)) + (nearest < 0 ? " short of " : " more than ") +
                             grouped(images - nearest) + " (" + pct(std::abs(nearest) / (images - nearest), 2) + ", beyond rounding)" +
                             (value_or(row.settings, "rate", "") == "sum of ranks"
                                  ? ": a sum of the ranks' own rates is not the images over the slowest rank's time, which would be " +
                                        fixed((images - nearest) / seconds.value, 1) + " images/s."
                                  : ".")});
}

/// How much of the test set stands behind the figures, as far as the records say.
std::string said_of(const Basis& basis) {
  if (!basis.test_set) return "they agree";
  if (basis.scored != basis.test_set) return "they agree, on " + grouped(basis.scored) + " of the test set's " + counted(std::size_t(basis.test_set), "image");
  const bool by_class = !basis.class_sizes.empty() && basis.of_class == basis.class_sizes;
  return "they agree, on as many images as the test set has" + std::string(by_class ? ", of each class" : "");
}

void judge_classes(const FigureTable& table, Findings& out) {
  Findings agreed, told;
  std::set<std::string> bases;
  for (const FigureRow& row : table.rows) {
    const ClassCheck check = check_classes(row.class_accuracy, row.basis.of_class.empty() ? table.class_sizes : row.basis.of_class);
    const Figure* accuracy = row.find("accuracy");
    if (check.errors.empty() || !accuracy) continue;
    const double unit = table.in_percent("accuracy") ? 1 : 100;  // Class accuracies are in per cent.
    const double slack = 0.005 + unit * (accuracy->high - accuracy->low) / 2;
    const bool agrees = std::abs(check.weighted - unit * accuracy->value) <= slack;
    const bool outlier = double(check.errors[check.worst]) > 3 * check.expected_at_worst;
    const std::string basis = said_of(row.basis);
    std::string text = row.name + ": class accuracies weighted by class size give " + fixed(check.weighted, 2) + " %, " +
                       (accuracy->mark.empty() && unit == 100 ? "overall " : "printed ") + fixed(unit * accuracy->value, 2) +
                       " %: " + (agrees ? basis : "they do not agree") + ".";
    if (row.basis.left_out)
      text += " " + grouped(row.basis.left_out) + (row.basis.left_out == 1 ? " image of the test set" : " images of the test set") +
              " could not be read and were left out: the accuracy is that of the others.";
    if (outlier)
      text += " Class " + std::to_string(check.worst) + " has " + std::to_string(check.errors[check.worst]) + " of the " +
              std::to_string(check.total_errors) + " errors, where the other classes' rate predicts " + fixed(check.expected_at_worst, 0) +
              ": the overall figure hides it.";
    const bool plain = agrees && !outlier && !row.basis.left_out;
    if (plain) bases.insert(basis);
    (plain ? agreed : told).push_back({"D2", text});
  }
  if (agreed.size() > 4 && bases.size() == 1)
    out.push_back({"D2", "Class accuracies weighted by class size give the overall accuracy in " + counted(agreed.size(), "row") + ": " + *bases.begin() + "."});
  else
    out.insert(out.end(), agreed.begin(), agreed.end());
  out.insert(out.end(), told.begin(), told.end());
}

}  // namespace

void identities(const FigureTable& table, Findings& out) {
  judge_steps(table, out);
  for (const FigureRow& row : table.rows) {
    const auto rates = row.series.find("images_per_second"), seconds = row.series.find("seconds");
    if (rates == row.series.end() || seconds == row.series.end()) continue;
    for (std::size_t e = 0; e < std::min(rates->second.size(), seconds->second.size()); ++e)
      judge_rate(row, e + 1, rates->second[e], seconds->second[e], out);
  }
  judge_classes(table, out);
}

void contradictions(const FigureTable& table, Findings& out) {
  for (std::size_t a = 0; a < table.rows.size(); ++a)
    for (std::size_t b = a + 1; b < table.rows.size(); ++b) {
      const FigureRow &x = table.rows[a], &y = table.rows[b];
      bool may_be_one = true;
      for (const auto& [key, value] : x.settings.items()) may_be_one &= agree(x, y, key);
      for (const auto& [key, value] : y.settings.items()) may_be_one &= agree(x, y, key);
      const Figure *p = x.find("accuracy"), *q = y.find("accuracy");
      // Of figures that print all their digits small differences are chance (D7); these have a gap of many points.
      if (!may_be_one || !p || !q || (p->low <= q->high + 0.1 && q->low <= p->high + 0.1) || table.in_percent("accuracy")) continue;
      out.push_back({"D2", x.name + " and " + y.name + " can be one setting (batch " + value_or(x.settings, "batch_per_rank", "?") +
                               " a rank, lr " + value_or(x.settings, "lr", "?") + ", momentum " + value_or(x.settings, "momentum", "?") +
                               "), and the source gives accuracy " + p->text + " for the one and " + q->text +
                               " for the other: the statements contradict each other."});
    }
}

namespace {

/// Rows whose accuracies are equal in every digit: the same training run, or a copy.
void equal_rows(const FigureTable& table, Findings& out) {
  std::vector<std::string> same, others;
  std::string global;
  for (std::size_t a = 0; a < table.rows.size(); ++a)
    for (std::size_t b = a + 1; b < table.rows.size(); ++b) {
      const FigureRow &x = table.rows[a], &y = table.rows[b];
      // Rows of equal ranks are one training run anyhow.
      if (works_of(x.settings).empty() || !agree(x, y, "model") || !agree(x, y, "global_batch") || agree(x, y, "ranks")) continue;
      std::size_t columns = 0, equal = 0;
      for (const auto& [column, figure] : x.figures)
        if (const Figure* f = y.find(column); f && column.starts_with("accuracy_")) ++columns, equal += f->text == figure.text;
      if (columns < 2) continue;
      const std::string pair = x.name + " and " + y.name;
      std::vector<std::string> differ;
      for (const char* key : {"sampler", "seed"})
        if (!agree(x, y, key))
          differ.push_back(std::string(key) + " " + value_or(x.settings, key, "") + " against " + value_or(y.settings, key, ""));
      const bool norms =
          number_of(x.settings, "norm_layers", 0) > 0 && value_or(x.settings, "buffers", value_or(y.settings, "buffers", "")) == "per-rank";
      if (equal == columns)
        same.push_back(pair + " (G " + plain(works_of(x.settings)[0].global_batch) + (norms ? ", with BatchNorm" : "") + ")");
      else
        others.push_back(pair + " (" +
                         (differ.empty() ? (norms ? "BatchNorm statistics are per rank" : "no difference is named") : joined(differ)) +
                         ")");
    }
  if (same.empty()) return;
  out.push_back({"D3", "Equal in all printed accuracies: " + joined(same) +
                           ". Each pair has one global batch, one order of samples and a model without BatchNorm, and breaks no identity: "
                           "the same training run "
                           "on other ranks, not a copy." +
                           (others.empty() ? "" : " At equal G these differ: " + some(others, 4) + ".")});
}

}  // namespace

void copied_cells(const FigureTable& table, Findings& out) {
  constexpr std::size_t kDigits = 5;  // Fewer are equal by chance.
  const auto ids = step_identities(table);
  for (const StepIdentity& broken : ids) {
    if (broken.holds() || broken.t_batch->digits() < kDigits) continue;
    for (const StepIdentity& sound : ids) {
      if (!sound.holds() || sound.t_batch->text != broken.t_batch->text) continue;
      const double right = broken.t_epoch->value / broken.steps;
      std::string text = "Copied: t_batch of " + broken.row->name + " equals that of " + sound.row->name + " in every digit (" +
                         broken.t_batch->text + "), and only there n x t_batch is not t_epoch. The right value is " + broken.t_epoch->text +
                         " / " + fixed(broken.steps, 0) + " = " + fixed(right, 6) + " s";
      for (const Claim& c : table.claims) {
        if (c.growth_falls_with.empty()) continue;
        for (const auto& [a, b] : c.pairs) {
          const Figure* base = &table.rows[b] == broken.row ? table.rows[a].find("t_batch") : nullptr;
          if (!base) continue;
          text += "; over " + table.rows[a].name + " it is " + fixed(right / base->value, 2) + " times, not " +
                  fixed(broken.t_batch->value / base->value, 2);
          std::vector<double> growth;
          for (const auto& [p, q] : c.pairs) {
            const FigureRow& row = table.rows[q];
            if (!agree(row, *broken.row, "model") || !agree(row, *broken.row, c.vary) || !table.rows[p].find("t_batch")) continue;
            growth.push_back((&row == broken.row ? right : row.find("t_batch")->value) / table.rows[p].find("t_batch")->value);
          }
          const bool survives = std::is_sorted(growth.rbegin(), growth.rend());
          text += ". \"" + c.text + "\", and less so with a larger " + c.growth_falls_with + ": " + slashed(growth, 2) + " times, so it " +
                  (survives ? "survives" : "fails");
        }
      }
      out.push_back({"D3", text + "."});
    }
  }
  equal_rows(table, out);
}

}  // namespace millrace
