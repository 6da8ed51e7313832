#include "experiments/beside.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "experiments/measured.h"
#include "experiments/orders.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/tolerances.h"
#include "experiments/work.h"

namespace millrace {
namespace {

/// Small numbers in fixed notation would be rows of zeros.
std::string short_text(double value) {
  if (std::abs(value) >= 0.01) return significant(value, 4);
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string our_text(const FigureTable& published, const FigureRow& row, const FigureRow& ours, const std::string& column, bool scaled) {
  const Figure* f = ours.find(column);
  if (!f) return "-";
  const Figure mine = in_unit(published, column, *f);
  std::string text = column.starts_with("accuracy") ? fixed(mine.value, published.in_percent(column) ? 2 : 4) : short_text(mine.value);
  if (mine.high > mine.low)
    text += column.starts_with("accuracy") ? " (" + span(mine.low, mine.high, published.in_percent(column) ? 2 : 4) + ")"
                                           : " (" + significant(mine.low, 3) + "-" + significant(mine.high, 3) + ")";
  const Figure* theirs = row.find(column);
  const bool comparable = column != "accuracy" || setting(row, "epochs") == ours.settings.value("epochs", Json());
  const Tolerance* t = theirs && comparable ? tolerance_for(published, row, ours, column, scaled) : nullptr;
  return t ? text + (within(*t, *theirs, mine) ? " within" : " **outside**") : text;
}

std::vector<std::string> columns_of(const FigureTable& published, const FigureTable& measured) {
  std::vector<std::string> out;
  for (const FigureRow& row : published.rows)
    for (const auto& [column, figure] : row.figures) {
      const bool ours =
          std::any_of(measured.rows.begin(), measured.rows.end(), [&, c = &column](const FigureRow& r) { return r.find(*c); });
      if (std::find(out.begin(), out.end(), column) == out.end() && (ours || measured.rows.empty())) out.push_back(column);
    }
  return out;
}

std::string published_rate(const FigureRow& row) {
  if (const Figure* rate = row.find("images_per_second")) return rate->text;
  const auto works = works_of(row.settings);
  if (works.empty() || works[0].images <= 0) return "-";
  if (const Figure* total = row.find("total")) return grouped(works[0].images * works[0].epochs / total->value) + " [i]";
  if (const Figure* wall = row.find("wall")) return grouped(works[0].images / wall->value) + " [i]";
  return "-";
}

}  // namespace

std::vector<const CellSummary*> matching(const FigureTable& published, const FigureRow& row, const std::vector<CellSummary>& cells) {
  std::vector<const CellSummary*> out;
  for (const CellSummary& cell : cells) {
    if (cell.runs.empty() || published.match.empty()) continue;
    const bool fits = std::all_of(published.match.begin(), published.match.end(), [&](const auto& pair) {
      const auto it = row.settings.find(pair.first);
      if (it == row.settings.end()) return true;
      const Json ours = own_setting(cell, pair.second);
      return it->is_array() ? std::find(it->begin(), it->end(), ours) != it->end() : *it == ours;
    });
    if (fits) out.push_back(&cell);
  }
  return out;
}

std::string side_by_side(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled) {
  const FigureTable measured = measured_table(cells);
  std::vector<std::string> columns = columns_of(published, measured);
  std::erase(columns, "images_per_second");
  std::vector<std::string> header{"row"};
  header.insert(header.end(), columns.begin(), columns.end());
  header.emplace_back("images/s");
  header.emplace_back("note");
  Table table(header);
  for (const FigureRow& row : published.rows) {
    std::vector<std::string> line{"published: " + row.name};
    for (const std::string& column : columns) {
      const Figure* f = row.find(column);
      line.push_back(f ? f->text + (f->mark.empty() ? "" : " [" + f->mark + "]") : "-");
    }
    line.push_back(published_rate(row));
    const auto ours = matching(published, row, cells);
    line.push_back(!ours.empty() ? "" : row.needs.empty() ? "ours: not in this grid" : "ours: not run: needs " + row.needs);
    table.add(std::move(line));
    for (const CellSummary* cell : ours) {
      const FigureRow* mine = measured.named(own_label(*cell));
      if (!mine) continue;
      std::vector<std::string> own{"ours: " + mine->name};
      for (const std::string& column : columns) own.push_back(our_text(published, row, *mine, column, scaled));
      own.push_back(text_of(cell->images_per_second));
      std::string note = counted(cell->runs.size(), "run");
      if (!row.needs.empty()) note += "; ranks of one machine: the published row needs " + row.needs;
      if (shares_cores(*mine)) note += "; shares " + fixed(number_of(mine->settings, "cores", 0), 0) + " cores";
      own.push_back(note);
      table.add(std::move(own));
    }
  }
  return table.markdown();
}

namespace {

void judge_speed(const FigureTable& published, const FigureTable& measured, const std::vector<CellSummary>& cells, Findings& out) {
  double theirs = 0, ours = 0;
  std::size_t rows = 0;
  for (const FigureRow& row : published.rows) {
    const auto works = works_of(row.settings);
    const auto mine = matching(published, row, cells);
    const Figure *wall = row.find("wall"), *load = row.find("load"), *update = row.find("update");
    std::vector<std::string> ratios;
    for (const CellSummary* cell : mine) {
      const FigureRow* m = measured.named(own_label(*cell));
      if (m && load && update && cell->update_ms.median > 0)
        ratios.push_back(significant(cell->load_ms.median / cell->update_ms.median, 3));
    }
    if (!ratios.empty())
      out.push_back(
          {"D1", row.name + ": load over update is " + fixed(load->value / update->value, 2) + " published, " + some(ratios) + " here."});
    const FigureRow* m = mine.empty() ? nullptr : measured.named(own_label(*mine.front()));
    if (!wall || !m || works.empty() || !m->find("wall")) continue;
    if (m->settings.value("images", 0.0) != works[0].images) continue;
    theirs += wall->value * works[0].epochs;
    ours += m->find("wall")->value * works[0].epochs;
    ++rows;
  }
  if (rows)
    out.push_back({"wall", counted(rows, "row") + " with the published images an epoch: " + significant(theirs, 4) +
                               " s of training published, " + significant(ours, 4) + " s at our epoch's wall, 1/" +
                               significant(theirs / ours, 3) + "."});
}

void judge_best(const FigureTable& published, const std::vector<CellSummary>& cells, Findings& out) {
  double best_published = 0, best_own = 0;
  const CellSummary* best = nullptr;
  for (const FigureRow& row : published.rows) {
    const auto works = works_of(row.settings);
    if (const Figure* total = row.find("total"); total && !works.empty())
      best_published = std::max(best_published, works[0].images * works[0].epochs / total->value);
    if (const Figure* rate = row.find("images_per_second")) best_published = std::max(best_published, rate->value);
  }
  for (const CellSummary& s : cells)
    if (!s.runs.empty() && s.images_per_second.median > best_own) best_own = s.images_per_second.median, best = &s;
  if (best && best_published > 0)
    out.push_back({"D1", "Our best is " + grouped(best_own) + " images/s (" + own_label(*best) + ", " + verdict(*best) +
                             "); the published best is " + grouped(best_published) + " on other hardware (" +
                             fixed(best_own / best_published, 2) + " times)."});
}

/// The source's own claims, asked of our rows: both orders, break-even, learning rates against the rules.
void judge_claims(const FigureTable& published, FigureTable mine, const std::vector<CellSummary>& cells, Findings& out) {
  if (published.extra.contains("reference")) mine.extra["reference"] = published.extra["reference"];
  for (Claim c : published.claims) {
    if (c.vary.empty()) continue;
    c.equal.emplace_back("run");  // Published rows and their twins are grids of their own.
    c.pairs = pairs_of(c, mine.rows);
    mine.claims.push_back(std::move(c));
  }
  Json pairs = Json::array();
  for (const Json& pair : published.extra.value("break_even", Json::array())) {
    const FigureRow *one = published.named(pair.value("one", "")), *many = published.named(pair.value("many", ""));
    if (!one || !many) continue;
    for (const CellSummary* a : matching(published, *one, cells))
      for (const CellSummary* b : matching(published, *many, cells))
        if (a->batch == b->batch) pairs.push_back({{"one", own_label(*a)}, {"many", own_label(*b)}});
  }
  mine.extra["break_even"] = pairs;
  Findings found;
  for (const auto detector : {unequal_work, break_even, learning_rates}) detector(mine, found);
  for (Finding& f : found) out.push_back({f.detector, "Ours: " + f.text});
}

}  // namespace

Findings judge_both(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled, bool whole) {
  Findings out;
  const FigureTable measured = measured_table(cells);
  judge_speed(published, measured, cells, out);
  if (whole) judge_best(published, cells, out);
  for (const FigureRow& row : published.rows) {
    const auto ours = matching(published, row, cells);
    const double asked = number_of(row.settings, "epochs", 0);
    const std::size_t epochs = ours.empty() ? 0 : ours.front()->runs.front()->epochs.size();
    if (!epochs || double(epochs) == asked) continue;
    out.push_back(
        {"D5", "Here " + counted(epochs, "epoch") + ", published " + fixed(asked, 0) + ": totals and last accuracies are not compared."});
    break;
  }
  judge_tolerances(published, measured, cells, scaled, out);
  judge_curves(published, cells, scaled, out);
  judge_orders(published, measured, out);
  judge_floor(published, measured, out);
  judge_claims(published, measured, cells, out);
  return out;
}

}  // namespace millrace
