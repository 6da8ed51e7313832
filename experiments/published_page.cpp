#include "experiments/published_page.h"

#include <algorithm>
#include <set>

#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

std::vector<std::string> columns_of(const FigureTable& table) {
  std::vector<std::string> out;
  for (const FigureRow& row : table.rows)
    for (const auto& [column, figure] : row.figures)
      if (std::find(out.begin(), out.end(), column) == out.end()) out.push_back(column);
  return out;
}

/// One number, or the few that a row leaves open.
std::string each_text(const std::vector<Work>& works, double (*value)(const Work&)) {
  std::vector<std::string> texts;
  for (const Work& w : works)
    if (const std::string text = grouped(value(w)); std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : " or ") + text;
  return out.empty() ? "-" : out;
}

/// Settings that all rows share, as a sentence.
std::string shared_settings(const FigureTable& table) {
  if (table.rows.empty()) return {};
  std::vector<std::string> out;
  for (const auto& [key, value] : table.rows.front().settings.items()) {
    const bool shared = std::all_of(table.rows.begin(), table.rows.end(), [&, k = &key, v = &value](const FigureRow& row) {
      const auto it = row.settings.find(*k);
      return it != row.settings.end() && *it == *v;
    });
    if (shared) out.push_back(key + " " + value_or(table.rows.front().settings, key, ""));
  }
  return out.empty() ? "" : "All rows: " + joined(out) + ".\n";
}

std::string where_text(const Json& where) {
  std::vector<std::string> out;
  if (where.is_object())
    for (const auto& [key, value] : where.items()) out.push_back(key + " " + value_or(where, key, ""));
  return out.empty() ? "" : " (" + joined(out) + ")";
}

std::string order_text(const Order& o) {
  std::string out = o.text + ": " + joined(o.metrics) + (o.metrics.size() > 1 ? " each " : " ") + o.direction + " along " + o.along;
  out += where_text(o.where);
  if (!o.equal.empty()) out += " at equal " + joined(o.equal);
  if (o.slack > 0) out += ", slack " + plain(o.slack);
  if (o.slack_share > 0) out += ", slack " + pct(o.slack_share, 0);
  return out + (o.needs_cores ? "; not judged where ranks and workers share cores" : "") + ".";
}

std::string tolerance_text(const Tolerance& t) {
  std::string out = t.series.empty() ? joined(t.metrics) : t.series + " from epoch " + std::to_string(t.from_epoch) + " on";
  out += where_text(t.where);
  if (t.within > 0) out += " within " + plain(t.within) + " of the published figure";
  if (t.within_share > 0) out += " within " + pct(t.within_share, 0) + " of the published figure";
  if (t.ours.is_object()) out += " for our rows with" + where_text(t.ours);
  if (t.high > t.low) out += " between " + plain(t.low) + " and " + plain(t.high);
  if (t.apart > 0) out += ", at most " + plain(t.apart) + " apart";
  return out + (t.unscaled ? "; not applied to a study that is scaled down" : "") + ".";
}

std::string must_show(const FigureTable& table) {
  std::string out;
  for (const Tolerance& t : table.tolerances) out += "* " + tolerance_text(t) + "\n";
  for (const Order& o : table.orders) out += "* " + order_text(o) + "\n";
  std::map<std::string, std::vector<std::string>> needs;
  for (const FigureRow& row : table.rows)
    if (!row.needs.empty()) needs[row.needs].push_back(row.name);
  for (const auto& [what, rows] : needs) out += "* not run without " + what + ": " + joined(rows) + ".\n";
  return out.empty() ? "" : "\n## What a re-run must show\n\n" + out;
}

}  // namespace

std::string published_rows(const FigureTable& table) {
  const auto columns = columns_of(table);
  std::vector<std::string> header{"row", "W", "b", "G", "steps an epoch", "optimiser steps"};
  for (const std::string& column : columns) header.push_back(column);
  Table out(header);
  std::set<std::string> marks;
  for (const FigureRow& row : table.rows) {
    const auto works = works_of(row.settings);
    std::vector<std::string> cells{row.name,
                                   row.settings.contains("ranks") ? value_or(row.settings, "ranks", "-") : "-",
                                   each_text(works, [](const Work& w) { return w.batch; }),
                                   each_text(works, [](const Work& w) { return w.global_batch; }),
                                   each_text(works, [](const Work& w) { return w.steps; }),
                                   each_text(works, [](const Work& w) { return w.optimizer_steps(); })};
    for (const std::string& column : columns) {
      const Figure* f = row.find(column);
      cells.push_back(f ? f->text + (f->mark.empty() ? "" : " [" + f->mark + "]") : "-");
    }
    out.add(std::move(cells));
  }
  std::string units;
  for (const std::string& column : columns)
    if (const auto it = table.units.find(column); it != table.units.end())
      units += (units.empty() ? "" : "; ") + column + ": " + it->second;
  return out.markdown() + "\nW ranks, b images a rank and step, G = W b; worked out from the settings. " + units +
         ". Marks: " + table.marks + ".\n";
}

std::string findings_text(const Findings& findings) {
  std::string out;
  for (const Finding& f : findings) {
    const std::string name = detector_name(f.detector);
    out += "* **" + f.detector + (name == f.detector ? "" : ", " + name) + ".** " + f.text + "\n";
  }
  return out;
}

std::string published_page(const FigureTable& table) {
  const Findings findings = detect(table);
  std::set<std::string> detectors;
  for (const Finding& f : findings) detectors.insert(f.detector);
  return "# " + table.title + "\n\nWhat " + counted(table.rows.size(), "published row") +
         " say by their own figures: " + counted(findings.size(), "finding") + " of " + counted(detectors.size(), "detector") +
         ". Nothing was run.\n\n## The rows as printed\n\n" + published_rows(table) + "\n" + shared_settings(table) +
         "\n## What they say of one another\n\n" + findings_text(findings) + must_show(table);
}

}  // namespace millrace
