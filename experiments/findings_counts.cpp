// D7, D8 and D10: how many runs, how many images, and whether there was learning at all.
#include <algorithm>
#include <cmath>

#include "experiments/detectors.h"
#include "experiments/findings.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

/// Whether two rows differ in nothing but the table's repetition keys.
bool repeat_one_another(const FigureTable& table, const FigureRow& a, const FigureRow& b) {
  bool differ = false;
  for (const Json* settings : {&a.settings, &b.settings})
    for (const auto& [key, value] : settings->items()) {
      if (agree(a, b, key)) continue;
      if (std::find(table.repetition_keys.begin(), table.repetition_keys.end(), key) == table.repetition_keys.end()) return false;
      differ = true;
    }
  return differ;
}

/// The largest fall inside a series that it makes good again: what one run alone swings.
void swings(const FigureTable& table, Findings& out) {
  const FigureRow* worst = nullptr;
  std::size_t top = 0, bottom = 0, after = 0;
  double deepest = 0;
  for (const FigureRow& row : table.rows) {
    const auto it = row.series.find("accuracy");
    if (it == row.series.end()) continue;
    const auto& s = it->second;
    for (std::size_t i = 0, peak = 0; i < s.size(); ++i) {
      if (s[i].value > s[peak].value) peak = i;
      if (s[peak].value - s[i].value <= deepest || i + 1 >= s.size() || s[i + 1].value <= s[i].value) continue;
      deepest = s[peak].value - s[i].value;
      worst = &row, top = peak, bottom = i, after = i + 1;
    }
  }
  const double images = worst ? number_of(worst->settings, "test_images", 0) : 0;
  if (!worst || images <= 0) return;
  const auto& s = worst->series.at("accuracy");
  const double unit = table.in_percent("accuracy") ? 100 : 1;
  const double sd = unit * accuracy_deviation(s[bottom].value / unit, images);
  if (deepest < 4 * sd) return;
  out.push_back({"D7", worst->name + " swings " + s[top].text + ", " + s[bottom].text + ", " + s[after].text + " over epochs " +
                           std::to_string(top + 1) + ", " + std::to_string(bottom + 1) + ", " + std::to_string(after + 1) + ": " +
                           significant(100 / unit * deepest, 2) + " points, " + fixed(deepest / sd, 0) +
                           " standard deviations of the test set; differences of that size between runs say nothing."});
}

void widest_gap(const FigureTable& table, Findings& out) {
  const FigureRow *best = nullptr, *worst = nullptr;
  for (const FigureRow& row : table.rows) {
    const Figure* f = row.find("accuracy");
    if (!f || f->at_least || f->digits() < 3) continue;
    if (!best || f->value > best->find("accuracy")->value) best = &row;
    if (!worst || f->value < worst->find("accuracy")->value) worst = &row;
  }
  if (!best || best == worst) return;
  const double images = number_of(best->settings, "test_images", 0), unit = table.in_percent("accuracy") ? 100 : 1;
  if (images <= 0) return;
  const double hi = best->find("accuracy")->value / unit, lo = worst->find("accuracy")->value / unit;
  const double sd = accuracy_deviation((hi + lo) / 2, images), apart = deviations_apart(hi, lo, images);
  out.push_back({"D7", "One standard deviation of " + pct((hi + lo) / 2) + " on " + grouped(images) + " images is " + fixed(100 * sd, 2) +
                           " points, of a difference " + fixed(141.42 * sd, 2) + "; the widest gap, " + best->name + " (" +
                           fixed(100 * hi, 2) + ") against " + worst->name + " (" + fixed(100 * lo, 2) + "), is " +
                           fixed(100 * (hi - lo), 2) + " points, " + fixed(apart, 1) +
                           " of those: " + (apart < 2 ? "\"alike\" is supported, a ranking is not." : "more than chance explains.")});
}

}  // namespace

void noise(const FigureTable& table, Findings& out) {
  if (table.rows.size() > 1 && std::all_of(table.rows.begin(), table.rows.end(), [](const FigureRow& r) { return r.runs <= 1; }))
    out.push_back({"D7", "One run a row in all " + std::to_string(table.rows.size()) +
                             " rows: no spread is known but what rows say of one another."});
  double floor = 0;
  for (std::size_t a = 0; a < table.rows.size(); ++a)
    for (std::size_t b = a + 1; b < table.rows.size(); ++b) {
      const FigureRow &x = table.rows[a], &y = table.rows[b];
      if (!repeat_one_another(table, x, y)) continue;
      std::vector<std::string> told;
      if (const Figure* p = x.find("total"), *q = y.find("total"); p && q) {
        const double off = std::abs(q->value / p->value - 1);
        floor = std::max(floor, off);
        told.push_back("total " + p->text + " and " + q->text + " s (" + pct(off) + ")");
      }
      if (const Figure* p = x.find("accuracy"), *q = y.find("accuracy"); p && q)
        told.push_back("accuracy " + p->text + " and " + q->text + " (" +
                       fixed(std::abs(p->value - q->value) * (table.in_percent("accuracy") ? 1 : 100), 2) + " points)");
      if (!told.empty())
        out.push_back({"D7", x.name + " and " + y.name + " are one setting run twice: " + joined(told) + ". That is the noise floor."});
    }
  // Savings that repetitions do not tell apart are one result.
  std::vector<std::string> savings;
  double low = HUGE_VAL, high = 0;
  for (const Claim& c : table.claims) {
    if (c.pairs.size() != 1 || c.metrics != std::vector<std::string>{"total"} || floor == 0) continue;
    const FigureRow &from = table.rows[c.pairs[0].first], &to = table.rows[c.pairs[0].second];
    if (repeat_one_another(table, from, to) || !from.find("total") || !to.find("total")) continue;
    const bool twin =
        std::any_of(table.rows.begin(), table.rows.end(), [&](const FigureRow& r) { return repeat_one_another(table, r, to); });
    const double saved = 1 - to.find("total")->value / from.find("total")->value;
    if (!twin || saved <= 0) continue;
    savings.push_back(pct(saved));
    low = std::min(low, saved);
    high = std::max(high, saved);
  }
  if (savings.size() > 1 && high - low <= floor)
    out.push_back({"D7", joined(savings) + " saved are one result: they lie " + fixed(100 * (high - low), 1) +
                             " points apart, within the " + pct(floor) + " of equal runs."});
  widest_gap(table, out);
  swings(table, out);
}

void counts(const FigureTable& table, Findings& out) {
  std::map<double, std::vector<std::string>> dropped, short_scored, repeated;
  std::vector<std::string> summed, averaged;
  double set = 0, epochs = 0;
  std::string alike = "the same";
  for (const FigureRow& row : table.rows) {
    if (!row.settings.contains("ranks")) continue;
    const double test = number_of(row.settings, "test_images", 0);
    set = std::max(set, test);
    for (const Work& w : works_of(row.settings)) {
      const std::string where = "W " + fixed(w.ranks, 0) + ", b " + fixed(w.batch, 0);
      const auto add = [&](std::map<double, std::vector<std::string>>& to, double count) {
        auto& places = to[count];
        if (std::find(places.begin(), places.end(), where) == places.end()) places.push_back(where);
      };
      if (w.images > 0 && w.steps > 0 && w.trained < w.images) add(dropped, w.images - w.trained);
      if (test <= 0) continue;
      const Scored scored = scored_of(row.settings, w);
      epochs = w.epochs;
      if (scored.images < test) add(short_scored, scored.images);
      if (scored.passes > test && w.ranks > 1) add(repeated, scored.passes);
    }
    const double ranks = number_of(row.settings, "ranks", 1);
    if (ranks > 1 && value_or(row.settings, "validation_metrics", "") == "summed over ranks")
      summed.push_back(row.name + " " + fixed(ranks, 0) + " times");
    if (ranks > 1 && value_or(row.settings, "validation", "") == "sharded" && value_or(row.settings, "buffers", "") == "per-rank" &&
        number_of(row.settings, "norm_layers", 0) > 0)
      averaged.push_back(row.name);
  }
  const auto told = [](const std::map<double, std::vector<std::string>>& counted_at) {
    std::vector<std::string> parts;
    for (auto it = counted_at.rbegin(); it != counted_at.rend(); ++it) {
      std::string places;
      for (const std::string& place : it->second) places += (places.empty() ? "" : "; ") + place;
      parts.push_back(grouped(it->first) + " (" + places + ")");
    }
    return joined(parts);
  };
  if (!short_scored.empty())
    out.push_back({"D8", "Whole batches only in the test: scored of " + grouped(set) + " images are " + told(short_scored) + "."});
  if (!dropped.empty()) out.push_back({"D8", "Training leaves out " + told(dropped) + " images an epoch."});
  if (!repeated.empty()) {
    std::vector<std::string> shares;
    for (const FigureRow& row : table.rows)
      for (const Work& w : works_of(row.settings)) {
        const double all = std::ceil(w.images / w.ranks) + set, sharded = std::ceil(w.images / w.ranks) + std::ceil(set / w.ranks);
        shares.push_back("W " + fixed(w.ranks, 0) + " " + pct(set / all, 0) +
                         (w.ranks > 1 ? " (exact shards would save " + pct(1 - sharded / all, 0) + ")" : ""));
      }
    std::sort(shares.begin(), shares.end());
    shares.erase(std::unique(shares.begin(), shares.end()), shares.end());
    out.push_back({"D8", "Every rank scores the whole test set: " + told(repeated) + " images scored an epoch where there are " +
                             grouped(set) + ", over " + fixed(epochs, 0) +
                             " epochs. A rank's share of validation in the images it takes does not shrink with W: " + joined(shares) +
                             "."});
  }
  if (!summed.empty())
    out.push_back({"D8", "Validation loss and accuracy are summed over ranks and not divided: printed " + joined(summed) +
                             " too large (above 100 % is possible). Comparisons within a run survive, across W they do not."});
  if (!averaged.empty())
    out.push_back(
        {"D8", "In " + counted(averaged.size(), "row") + " (" + some(averaged) +
                   ") each rank scores its shard with BatchNorm buffers of its own: the accuracy is the mean over as many different models "
                   "as ranks, of which one is saved. Rank 0's, the mean and that of synchronised buffers are three figures."});
}

void dead_rows(const FigureTable& table, Findings& out) {
  std::vector<std::string> dead;
  double classes = 0;
  for (const FigureRow& row : table.rows) {
    classes = std::max(classes, number_of(row.settings, "classes", 0));
    const int n = int(number_of(row.settings, "classes", 0));
    if (n < 2) continue;
    const double unit = table.in_percent("accuracy") ? 100 : 1;
    std::vector<double> accuracy, loss;
    if (const auto it = row.series.find("accuracy"); it != row.series.end())
      for (const Figure& f : it->second) accuracy.push_back(f.value / unit);
    if (const auto it = row.series.find("loss"); it != row.series.end())
      for (const Figure& f : it->second) loss.push_back(f.value);
    if (const Figure* f = row.find("accuracy");
        f && accuracy.empty() && std::find(row.throughout.begin(), row.throughout.end(), "accuracy") != row.throughout.end())
      accuracy.assign(2, f->value / unit);
    if (const std::size_t epoch = not_learning(accuracy, loss, n)) {
      const auto works = works_of(row.settings);
      dead.push_back(row.name + " since epoch " + std::to_string(epoch) +
                     (works.size() == 1 && works[0].steps > 0 ? " (by step " + grouped(double(epoch) * works[0].steps) + ")" : ""));
    }
  }
  if (!dead.empty())
    out.push_back({"D10", "Not a low accuracy but no learning (within a point of 1/" + fixed(classes, 0) +
                              ", or a loss that is no number): " + some(dead, 8) + "."});
}

}  // namespace millrace
