// D4, D5 and the trends of D7: what a source says of its rows, worked out again.
#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/detectors.h"
#include "experiments/findings.h"
#include "experiments/grid.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

/// Settings that follow from others, or name a row rather than describe it.
const std::set<std::string> kNotCompared{"output", "record", "part", "saved_ranks", "patience"};

/// "workers (0 against 4)", for the first pair of a claim in which the key differs.
std::string difference_text(const FigureRow& a, const FigureRow& b, const std::string& key) {
  std::string out = key + " (" + value_or(a.settings, key, "none") + " against " + value_or(b.settings, key, "none");
  if (key == "workers") {
    const auto p = works_of(a.settings), q = works_of(b.settings);
    if (!p.empty() && !q.empty() && q[0].ranks != p[0].ranks)
      out += " a rank, " + fixed(p[0].workers, 0) + " against " + fixed(q[0].workers, 0) + " in all";
  }
  return out + ")";
}

/// What follows from the settings of two rows and makes their training or its machine another: images a step, optimiser steps, loader workers in
/// all. A source that holds some settings equal changes these without a word.
std::vector<std::string> derived_differences(const FigureRow& a, const FigureRow& b) {
  const auto x = works_of(a.settings), y = works_of(b.settings);
  if (x.size() != 1 || y.size() != 1) return {};  // The settings leave several open.
  std::vector<std::string> out;
  const auto add = [&](const std::string& what, double p, double q) {
    if (p > 0 && q > 0 && p != q) out.push_back(what + " (" + grouped(p) + " against " + grouped(q) + ")");
  };
  add("global batch", x[0].global_batch, y[0].global_batch);
  add("optimiser steps", x[0].optimizer_steps(), y[0].optimizer_steps());
  if (agree(a, b, "workers")) add("workers in all", x[0].workers, y[0].workers);
  return out;
}

std::vector<std::string> other_differences(const FigureTable& table, const Claim& c) {
  std::vector<std::string> keys, out;
  for (const auto& [a, b] : c.pairs)
    for (const Json* settings : {&table.rows[a].settings, &table.rows[b].settings})
      for (const auto& [key, value] : settings->items())
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  for (const std::string& key : keys) {
    const auto named = [&](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), key) != list.end(); };
    if (key == c.vary || named(c.discussed) || named(table.repetition_keys) || kNotCompared.contains(key)) continue;
    for (const auto& [a, b] : c.pairs) {
      if (agree(table.rows[a], table.rows[b], key)) continue;
      out.push_back(difference_text(table.rows[a], table.rows[b], key));
      break;
    }
  }
  // Of families D5 says what follows from the batch.
  if (c.pairs.size() == 1)
    for (std::string& derived : derived_differences(table.rows[c.pairs[0].first], table.rows[c.pairs[0].second])) out.push_back(std::move(derived));
  return out;
}

std::string accuracy_text(const FigureTable& table, const std::string& metric, const Figure& f) {
  return table.in_percent(metric) ? f.text + " %" : f.text;
}

/// What the metric does from the reference to the compared row, in numbers.
std::string claim_arithmetic(const FigureTable& table, const Claim& c) {
  if (c.pairs.size() != 1 || c.metrics.size() != 1) return {};
  const FigureRow &from = table.rows[c.pairs[0].first], &to = table.rows[c.pairs[0].second];
  const Figure *a = from.find(c.metrics[0]), *b = to.find(c.metrics[0]);
  if (!a || !b) return {};
  const bool rate = c.metrics[0] == "images_per_second";
  if (c.metrics[0].starts_with("accuracy"))
    return accuracy_text(table, c.metrics[0], *a) + " against " + accuracy_text(table, c.metrics[0], *b) + ". ";
  const std::string unit = rate ? " images/s" : " s";
  std::string out = a->text + unit + " against " + b->text + unit + ": ";
  if (c.share) return out + pct(1 - b->value / a->value) + " of it; what the other " + pct(b->value / a->value) + " are, is not named. ";
  if (rate) {
    const double ranks = number_of(to.settings, "ranks", 1) / number_of(from.settings, "ranks", 1);
    out += fixed(b->value / a->value, 2) + " times (efficiency " + pct(b->value / a->value / ranks, 0) + ")";
    if (!c.printed_ratio.empty()) out += ", printed as \"" + c.printed_ratio + " times\"";
  } else if (b->value <= a->value) {
    out += fixed(a->value / b->value, 2) + " times as fast, " + pct(1 - b->value / a->value) + " saved";
  } else {
    out += fixed(b->value / a->value, 2) + " times as long (" + signed_pct(b->value / a->value - 1) + ")";
  }
  if (to.settings.value("record", Json()) == false) out += "; of that run no record is given";
  return out + ". ";
}

/// With NovoGrad a learning rate bounds a step's length; with SGD it multiplies the gradient.
std::string rate_meaning(const FigureTable& table, const Claim& c) {
  for (const auto& [a, b] : c.pairs) {
    const FigureRow &x = table.rows[a], &y = table.rows[b];
    const bool novo = (value_or(x.settings, "optimizer", "") == "novograd") != (value_or(y.settings, "optimizer", "") == "novograd");
    const Json lr = setting(y, "lr");
    if (!novo || !lr.is_number() || !agree(x, y, "lr")) continue;
    const Json& sgd = value_or(x.settings, "optimizer", "") == "novograd" ? y.settings : x.settings;
    const double m = number_of(sgd, "momentum", 0);
    return " The equal lr does not mean the same: a tensor's step is at most " + value_text(lr) +
           " long with NovoGrad (gradients averaged), whatever its gradient, and up to " + plain(lr.get<double>() / (1 - m)) +
           " times the gradient's length with momentum " + plain(m) + ".";
  }
  return {};
}

}  // namespace

void unequal_settings(const FigureTable& table, Findings& out) {
  // Families that differ in the same keys are told together.
  std::vector<std::pair<std::string, std::vector<std::string>>> families;
  for (const Claim& c : table.claims) {
    if (c.pairs.empty()) continue;
    const auto others = other_differences(table, c);
    if (c.pairs.size() > 1) {
      const std::string differences = some(others, 12);
      if (others.empty()) continue;  // D5 says what there is to say.
      auto it = std::find_if(families.begin(), families.end(), [&](const auto& f) { return f.first == differences; });
      if (it == families.end()) it = families.insert(families.end(), {differences, {}});
      it->second.push_back("\"" + c.text + "\"");
      continue;
    }
    out.push_back({"D4", "\"" + c.text + "\": " + claim_arithmetic(table, c) +
                             (others.empty() ? "The two rows differ in nothing else."
                                             : "But the two rows differ in " + some(others, 10) + " as well.") +
                             rate_meaning(table, c)});
  }
  for (const auto& [differences, claims] : families)
    out.push_back({"D4", joined(claims) + (claims.size() > 1 ? " compare" : " compares") + " rows that also differ in " + differences +
                             ": neither accuracy nor time tells which of these it was."});
}

namespace {

struct Score {
  std::size_t better = 0, worse = 0, equal = 0, chance = 0;
  std::vector<std::string> cells;
  std::size_t all() const { return better + worse + equal; }
};

/// How the compared rows fare against their references, over all metrics of a claim.
Score score(const FigureTable& table, const Claim& c, const std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  Score s;
  for (const auto& [a, b] : pairs)
    for (const std::string& metric : c.metrics) {
      const Figure *from = table.rows[a].find(metric), *to = table.rows[b].find(metric);
      if (!from || !to) continue;
      (to->value > from->value ? s.better : to->value < from->value ? s.worse : s.equal)++;
      s.cells.push_back(to->text + (to->value > from->value ? ">" : to->value < from->value ? "<" : "=") + from->text);
      const double images = number_of(table.rows[b].settings, "test_images", 0), unit = table.in_percent(metric) ? 100 : 1;
      s.chance += images > 0 && deviations_apart(from->value / unit, to->value / unit, images) < 2;
    }
  return s;
}

/// Pairs that agree in G where the claim's own agree in b.
std::vector<std::pair<std::size_t, std::size_t>> pairs_at_equal_global(const FigureTable& table, const Claim& c) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  const auto is_batch = [](const std::string& key) { return key.starts_with("batch"); };
  for (std::size_t a = 0; a < table.rows.size(); ++a)
    for (std::size_t b = 0; b < table.rows.size(); ++b) {
      const FigureRow &x = table.rows[a], &y = table.rows[b];
      const bool fits =
          a != b && has_settings(x, {{c.vary, c.from}}) && has_settings(y, {{c.vary, c.to}}) && has_settings(x, c.where) &&
          has_settings(y, c.where) && agree(x, y, "global_batch") &&
          std::all_of(c.equal.begin(), c.equal.end(), [&](const std::string& key) { return is_batch(key) || agree(x, y, key); });
      if (fits) out.emplace_back(a, b);
    }
  return out;
}

std::string pair_names(const FigureTable& table, const std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  std::vector<std::string> out;
  for (const auto& [a, b] : pairs) out.push_back(table.rows[b].name + " against " + table.rows[a].name);
  return some(out, 6);
}

std::string score_text(const Score& s) {
  return "better in " + std::to_string(s.better) + ", worse in " + std::to_string(s.worse) +
         (s.equal ? ", equal in " + std::to_string(s.equal) : "") + " of " + counted(s.all(), "cell") +
         (s.chance ? " (" + std::to_string(s.chance) + " of these differences are below two standard deviations)" : "");
}

void family_at_equal_global(const FigureTable& table, const Claim& c, Findings& out) {
  double batches = 0, steps = 0;
  for (const auto& [a, b] : c.pairs) {
    const auto x = works_of(table.rows[a].settings), y = works_of(table.rows[b].settings);
    if (x.size() != 1 || y.size() != 1) return;
    batches = std::max(batches, y[0].global_batch / x[0].global_batch);
    steps = std::max(steps, x[0].optimizer_steps() / y[0].optimizer_steps());
  }
  if (batches <= 1) return;
  const Score at_b = score(table, c, c.pairs);
  const auto pairs = pairs_at_equal_global(table, c);
  const Score at_g = score(table, c, pairs);
  if (!at_b.all()) return;
  std::string text = "\"" + c.text + "\": at equal b the compared rows are " + score_text(at_b) + ", with up to " + plain(batches) +
                     " times the global batch and " + plain(steps) + " times fewer optimiser steps at the same lr.";
  if (at_g.all())
    text += " At equal G (" + pair_names(table, pairs) + ") they are " + score_text(at_g) + ": " + some(at_g.cells, 9) + ".";
  else
    text += " The table has no pair at equal G.";
  out.push_back({"D5", text});
}

void one_pair_over_other_work(const FigureTable& table, const Claim& c, Findings& out) {
  const FigureRow &from = table.rows[c.pairs[0].first], &to = table.rows[c.pairs[0].second];
  const auto x = works_of(from.settings), y = works_of(to.settings);
  if (x.size() != 1 || y.size() != 1 || x[0].global_batch == y[0].global_batch) return;
  const bool rate = c.metrics == std::vector<std::string>{"images_per_second"};
  std::string text = "\"" + c.text + "\": " + to.name + " has G " + fixed(y[0].global_batch, 0) + " and " +
                     grouped(y[0].optimizer_steps()) + " optimiser steps, " + from.name + " " + fixed(x[0].global_batch, 0) + " and " +
                     grouped(x[0].optimizer_steps()) + ": " + (rate ? "rates at equal b." : "another training run.");
  const Figure *a = from.find("total"), *b = to.find("total");
  if (a && b) {
    const double before = a->value / x[0].optimizer_steps(), after = b->value / y[0].optimizer_steps();
    text +=
        " A step takes " + fixed(after * 1e3, 0) + " ms against " + fixed(before * 1e3, 0) + ", " + fixed(after / before, 1) + " times.";
  }
  out.push_back({"D5", text});
}

}  // namespace

void unequal_work(const FigureTable& table, Findings& out) {
  for (const Claim& c : table.claims) {
    if (c.pairs.empty()) continue;
    if (c.vary.empty())
      one_pair_over_other_work(table, c, out);
    else if (!c.metrics.empty() && c.metrics[0].starts_with("accuracy"))
      family_at_equal_global(table, c, out);
  }
}

void broken_trends(const FigureTable& table, Findings& out) {
  for (const Order& t : table.trends) {
    std::size_t pairs = 0, kept = 0;
    std::vector<std::string> broken;
    for (const FigureRow& a : table.rows)
      for (const FigureRow& b : table.rows) {
        const Json x = setting(a, t.along), y = setting(b, t.along);
        if (!x.is_number() || !y.is_number() || x >= y || !has_settings(a, t.where) || !has_settings(b, t.where)) continue;
        if (!std::all_of(t.equal.begin(), t.equal.end(), [&](const std::string& key) { return agree(a, b, key); })) continue;
        for (const std::string& metric : t.metrics) {
          const Figure *p = a.find(metric), *q = b.find(metric);
          if (!p || !q) continue;
          ++pairs;
          if (t.direction == "falls" ? q->value <= p->value : q->value >= p->value)
            ++kept;
          else
            broken.push_back(metric + " of " + b.name + " (" + q->text + ") against " + a.name + " (" + p->text + "), seed " +
                             value_or(b.settings, "seed", "?"));
        }
      }
    if (pairs)
      out.push_back({"D7", "\"" + t.text + "\" holds in " + std::to_string(kept) + " of " + counted(pairs, "pair") +
                               (broken.empty() ? "." : "; it fails in " + some(broken) + ".")});
  }
}

}  // namespace millrace
