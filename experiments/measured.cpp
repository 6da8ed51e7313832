#include "experiments/measured.h"

#include <algorithm>
#include <cmath>

#include "experiments/detectors.h"
#include "experiments/work.h"

namespace millrace {
namespace {

double number(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}

double phase(const Json& record, const char* name) { return number(record.value("phases", Json::object()), name); }

/// After the batch is there until the weights are new: the published t_batch, over all steps of an epoch.
double busy_seconds(const Json& record) {
  double out = 0;
  for (const char* name : {"upload", "forward", "backward", "reduce", "optimizer"}) out += phase(record, name);
  return out;
}

Json ranks_of(const Json& epoch) {
  const Json ranks = epoch.value("ranks", Json::array());
  return ranks.empty() ? Json::array({epoch}) : ranks;
}

/// Of the whole epoch, by the part of it that the ranks' records cover.
double slowest_busy(const Json& epoch) {
  const double share = covered_share(epoch);
  if (share == 0 || !epoch.contains("ranks") || epoch["ranks"].empty()) return busy_seconds(epoch);
  double out = 0;
  for (const Json& rank : epoch["ranks"]) out = std::max(out, busy_seconds(rank) / share);
  return out;
}

double sum_of_rates(const Json& epoch) {
  double out = 0;
  for (const Json& rank : ranks_of(epoch))
    if (const double wall = number(rank, "wall_seconds"); wall > 0) out += number(rank, "images") / wall;
  return out;
}

double mean_over(const RunResult& run, double (*value)(const Json&)) {
  double out = 0;
  for (const Json& e : run.epochs) out += value(e);
  return out / std::max<double>(1, double(run.epochs.size()));
}

/// As steady_rate of results.cpp: without the first epoch where there are more.
double mean_rank_rate(const RunResult& run) {
  double out = 0;
  const std::size_t first = run.epochs.size() > 1 ? 1 : 0;
  for (std::size_t e = first; e < run.epochs.size(); ++e) out += sum_of_rates(run.epochs[e]);
  return out / double(run.epochs.size() - first);
}

/// One more than were run where the target was not reached.
double epochs_to_target(const RunResult& run) {
  return double(run.epochs.size()) + (run.epochs.back().value("stopped_at_target", false) ? 0 : 1);
}

using Runs = std::vector<const RunResult*>;

template <class F>
void add(FigureRow& row, const std::string& column, const Runs& runs, F&& value) {
  std::vector<double> values;
  for (const RunResult* run : runs)
    if (const double v = value(*run); std::isfinite(v)) values.push_back(v);
  if (const Spread s = Spread::of(std::move(values)); s.count) row.figures.emplace_back(column, measured(s.median, s.low, s.high));
}

std::vector<Figure> series_of(const RunResult& run, const char* key) {
  std::vector<Figure> out;
  for (const Json& e : run.epochs)
    if (const auto it = e.find(key); it != e.end() && (it->is_number() || (it->is_null() && std::string(key) == "loss"))) {
      const double v = it->is_number() ? it->get<double>() : std::nan("");
      out.push_back(measured(v, v, v));
    }
  return out;
}

/// A link made slow stands for the way between two nodes, unless the batch says that all ranks were on one.
int nodes_of(const Json& train, const Json& data) {
  return number_of(train, "link_mbit", 0) > 0 && number_of(train, "ranks", 1) > 1 && !data.contains("batch_per_node") ? 2 : 1;
}

void add_settings(FigureRow& row, const CellSummary& cell, const RunResult& run) {
  const Json spec = run.run.value("spec", Json::object());
  row.settings["ranks"] = 1;  // Records of one rank do not say so.
  row.settings["mode"] = "single";
  for (const auto& [table, keys] : spec.items())
    if (keys.is_object())
      for (const auto& [key, value] : keys.items())
        if (!row.settings.contains(key) || table == "train") row.settings[key] = value;  // Both have a seed: the weights' is the run's.
  for (const auto& [key, value] : cell.cell) row.settings[key.substr(key.rfind('.') + 1)] = value;
  if (row.settings["mode"] == "auto") row.settings["mode"] = number_of(row.settings, "ranks", 1) > 1 ? "ddp" : "single";
  if (!row.settings.contains("nodes")) row.settings["nodes"] = nodes_of(row.settings, row.settings);
  row.settings["throttled"] = number_of(row.settings, "extra_us_per_image", 0) > 0;
  const Json& last = run.epochs.back();
  row.settings["epochs"] = run.epochs.size();
  row.settings["images"] = number(last, "images");
  row.settings["cores"] = number(run.run.value("host", Json::object()), "cores");
  if (const Json counts = last.value("class_count", Json::array()); !counts.empty()) row.settings["classes"] = counts.size();
  if (const double scored = number(last, "scored"); scored > 0) row.settings["test_images"] = scored;
}

void add_figures(FigureRow& row, const Runs& runs) {
  const auto per_step = [](const RunResult& r, double seconds) {
    double steps = 0;
    for (const Json& e : r.epochs) steps += number(e, "steps");
    return seconds / std::max(1.0, steps);
  };
  const auto total = [](const RunResult& r, double (*value)(const Json&)) { return mean_over(r, value) * double(r.epochs.size()); };
  add(row, "load", runs, [&](const RunResult& r) { return per_step(r, total(r, [](const Json& e) { return phase(e, "wait"); })); });
  add(row, "update", runs, [&](const RunResult& r) { return per_step(r, total(r, busy_seconds)); });
  add(row, "load_over_update", runs, [&](const RunResult& r) {
    const double busy = total(r, busy_seconds);
    return busy > 0 ? total(r, [](const Json& e) { return phase(e, "wait"); }) / busy : std::nan("");
  });
  add(row, "other", runs, [&](const RunResult& r) { return per_step(r, total(r, [](const Json& e) { return phase(e, "other"); })); });
  add(row, "total", runs, [&](const RunResult& r) { return total(r, [](const Json& e) { return number(e, "wall_seconds"); }); });
  add(row, "t_batch", runs, [&](const RunResult& r) { return per_step(r, total(r, slowest_busy)); });
  add(row, "t_epoch", runs, [](const RunResult& r) { return mean_over(r, slowest_busy); });
  add(row, "wall", runs, [](const RunResult& r) { return mean_over(r, [](const Json& e) { return number(e, "wall_seconds"); }); });
  add(row, "with_validation", runs, [](const RunResult& r) {
    return mean_over(r, [](const Json& e) { return number(e, "wall_seconds") + number(e, "evaluate_seconds"); });
  });
  add(row, "first_epoch", runs, [](const RunResult& r) { return number(r.epochs.front(), "wall_seconds"); });
  add(row, "rank_rate", runs, mean_rank_rate);
  add(row, "weights_norm", runs, [](const RunResult& r) { return r.epochs.front().value("weights_norm", Json()).is_number() ? number(r.epochs.front(), "weights_norm") : std::nan(""); });
  if (number_of(row.settings, "target_accuracy", 0) > 0) add(row, "epochs_to_target", runs, epochs_to_target);
  const std::size_t epochs = runs.front()->epochs.size();
  for (std::size_t e = 1; e <= epochs; ++e)
    add(row, "accuracy_" + std::to_string(e), runs, [e](const RunResult& r) {
      return e <= r.epochs.size() && r.epochs[e - 1].value("accuracy", Json()).is_number() ? number(r.epochs[e - 1], "accuracy")
                                                                                           : std::nan("");
    });
}

FigureTable empty_table() {
  FigureTable out;
  out.title = "our own";
  return out;
}

Basis basis_of(const RunResult& run) {
  const Json& last = run.epochs.back();
  const Json test = run.run.value("data", Json::object()).value("test", Json::object());
  using Counts = std::vector<std::int64_t>;
  return {.scored = number(last, "scored"),
          .test_set = number(test, "images"),
          .left_out = number(last, "evaluation_bad_samples"),
          .of_class = last.value("class_count", Counts()),
          .class_sizes = test.value("class_sizes", Counts())};
}

void add_class_sizes(FigureTable& table, const RunResult& run) {
  if (table.class_sizes.empty()) table.class_sizes = run.epochs.back().value("class_count", std::vector<std::int64_t>{});
}

}  // namespace

std::string own_label(const CellSummary& cell) { return cell.cell.empty() ? "the run" : cell_label(cell.cell); }

FigureTable measured_table(const std::vector<CellSummary>& cells) {
  FigureTable table = empty_table();
  for (const CellSummary& cell : cells) {
    if (cell.runs.empty()) continue;
    FigureRow row;
    row.name = own_label(cell);
    row.runs = cell.runs.size();
    const RunResult& run = *cell.runs.front();
    add_settings(row, cell, run);
    add_figures(row, cell.runs);
    const Spread& rate = cell.images_per_second;
    if (rate.count) row.figures.emplace_back("images_per_second", measured(rate.median, rate.low, rate.high));
    if (const Spread& a = cell.accuracy; a.count) row.figures.emplace_back("accuracy", measured(a.median, a.low, a.high));
    double dead = 0;
    for (const RunResult* r : cell.runs) {
      std::vector<double> accuracy, loss;
      for (const Figure& f : series_of(*r, "accuracy")) accuracy.push_back(f.value);
      for (const Figure& f : series_of(*r, "loss")) loss.push_back(f.value);
      dead += not_learning(accuracy, loss, int(number_of(row.settings, "classes", 10))) > 0;
    }
    row.figures.emplace_back("not_learning", measured(dead / double(row.runs), dead / double(row.runs), dead / double(row.runs)));
    // Of the run whose accuracy stands in the row; between two runs there is none.
    for (const RunResult* r : cell.runs) {
      if (!row.class_accuracy.empty() || number(r->epochs.back(), "accuracy") != cell.accuracy.median) continue;
      row.basis = basis_of(*r);
      for (const Json& value : r->epochs.back().value("per_class_accuracy", Json::array()))
        row.class_accuracy.push_back(value.is_number() ? 100 * value.get<double>() : 0);
    }
    add_class_sizes(table, run);
    table.rows.push_back(std::move(row));
  }
  return table;
}

FigureTable measured_runs(const std::vector<CellSummary>& cells) {
  FigureTable table = empty_table();
  for (const CellSummary& cell : cells)
    for (const RunResult* run : cell.runs) {
      FigureRow row;
      row.name = own_label(cell) + (cell.runs.size() > 1 ? ", repetition " + std::to_string(run->repetition + 1) : "");
      add_settings(row, cell, *run);
      for (const char* key : {"accuracy", "loss"}) row.series[key] = series_of(*run, key);
      row.series["seconds"] = series_of(*run, "wall_seconds");
      table.rows.push_back(std::move(row));
    }
  return table;
}

Json own_setting(const CellSummary& cell, const std::string& key) {
  for (const auto& [axis, value] : cell.cell)
    if (axis == key) return value;
  for (const auto& [axis, value] : cell.cell)  // An axis that rules read: "affine" for augment.affine.
    if (axis == key.substr(key.rfind('.') + 1)) return value;
  if (cell.runs.empty()) return nullptr;
  const Json spec = cell.runs.front()->run.value("spec", Json::object());
  const auto dot = key.find('.');
  if (dot == std::string::npos) return nullptr;
  const std::string table = key.substr(0, dot), name = key.substr(dot + 1);
  if (table == "augment") {  // Operations that are switched off are not recorded.
    for (const Json& operation : spec.value("augment", Json::array()))
      for (const char* kind : {"op", "recipe"})
        if (operation.value(kind, "").find(name) != std::string::npos) return true;
    return false;
  }
  const Json keys = spec.value(table, Json::object());
  if (const auto it = keys.find(name); it != keys.end() && (key != "train.mode" || *it != "auto")) return *it;
  if (key == "train.mode") return number_of(keys, "ranks", 1) > 1 ? "ddp" : "single";
  // Records of one rank do not say so.
  if (key == "train.nodes") return nodes_of(keys, spec.value("data", Json::object()));
  return key == "train.ranks" ? Json(1) : Json();
}

bool shares_cores(const FigureRow& row) {
  const auto works = works_of(row.settings);
  const double cores = number_of(row.settings, "cores", 0);
  return !works.empty() && cores > 0 && works[0].processes > cores;
}

}  // namespace millrace
