#include "experiments/results.h"

#include <algorithm>
#include <map>
#include <set>

#include "experiments/terminal.h"
#include "experiments/verdict.h"

namespace millrace {
namespace {

double number(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}

double phase(const Json& epoch, const char* name) {
  const auto it = epoch.find("phases");
  return it == epoch.end() ? 0 : number(*it, name);
}

double sum(const RunResult& run, const char* key) {
  double out = 0;
  for (const Json& e : run.epochs) out += number(e, key);
  return out;
}

double sum_phase(const RunResult& run, const char* name) {
  double out = 0;
  for (const Json& e : run.epochs) out += phase(e, name);
  return out;
}

/// The slowest rank's: what an epoch's images are divided by.
double slowest_wall(const Json& epoch) {
  double out = number(epoch, "wall_seconds");
  const double share = covered_share(epoch);
  if (const auto ranks = epoch.find("ranks"); ranks != epoch.end() && share > 0)
    for (const Json& rank : *ranks) out = std::max(out, number(rank, "wall_seconds") / share);
  return out;
}

/// The first epoch starts threads and touches memory for the first time: it is no rate.
double steady_rate(const RunResult& run) {
  double images = 0, seconds = 0;
  for (std::size_t i = run.epochs.size() > 1 ? 1 : 0; i < run.epochs.size(); ++i) {
    images += number(run.epochs[i], "images");
    seconds += slowest_wall(run.epochs[i]);
  }
  return seconds > 0 ? images / seconds : 0;
}

double spec_number(const RunResult& run, const char* table, const char* key) {
  const Json spec = run.run.value("spec", Json::object());
  return number(spec.value(table, Json::object()), key);
}

template <class F>
Spread over(const std::vector<const RunResult*>& runs, F&& f) {
  std::vector<double> values;
  for (const RunResult* run : runs) values.push_back(f(*run));
  return Spread::of(std::move(values));
}

Spread accuracies(const std::vector<const RunResult*>& runs) {
  std::vector<double> values;
  for (const RunResult* run : runs)
    for (auto e = run->epochs.rbegin(); e != run->epochs.rend(); ++e)
      if (const auto it = e->find("accuracy"); it != e->end() && it->is_number()) {
        values.push_back(it->get<double>());
        break;
      }
  return Spread::of(std::move(values));
}

double sum_stage(const RunResult& run, const char* stage) {
  double out = 0;
  for (const Json& e : run.epochs)
    out += number(e.value("loader", Json::object()).value("stages", Json::object()).value(stage, Json::object()), "busy_seconds");
  return out;
}

/// Of what the loader's record covers.
double sum_covered(const RunResult& run, const char* key) {
  double out = 0;
  for (const Json& e : run.epochs) out += covered_share(e) * number(e, key);
  return out;
}

void fill_stages(CellSummary& s) {
  const auto us = [&](auto&& seconds) {
    return over(s.runs, [&](const RunResult& r) { return seconds(r) / std::max(1.0, sum_covered(r, "images")) * 1e6; }).median;
  };
  const double read = us([](const RunResult& r) { return sum_stage(r, "read"); });
  const double decode = us([](const RunResult& r) { return sum_stage(r, "decode"); }) - read;  // Reading lies within it.
  const double augment = us([](const RunResult& r) { return sum_stage(r, "augment"); });
  const double threads = std::max(1.0, s.workers);
  const double all = us([&](const RunResult& r) { return threads * sum_covered(r, "wall_seconds"); });
  if (decode + augment <= 0) return;
  s.stage_us_per_image = {
      {"read", read}, {"decode", decode}, {"augment", augment}, {"other", std::max(0.0, all - read - decode - augment)}};
}

void fill(CellSummary& s) {
  if (s.runs.empty()) return;
  const RunResult& first = *s.runs.front();
  for (const char* key : {"batch", "batch_per_rank", "batch_per_node"})
    if (const double b = spec_number(first, "data", key); b > 0) s.batch = b;
  s.workers = spec_number(first, "loader", "workers");
  const auto per_step = [](const RunResult& r, double seconds) { return seconds / std::max(1.0, sum(r, "steps")) * 1e3; };
  s.images_per_second = over(s.runs, steady_rate);
  s.total_seconds = over(s.runs, [](const RunResult& r) { return sum(r, "wall_seconds"); });
  s.load_ms = over(s.runs, [&](const RunResult& r) { return per_step(r, sum_phase(r, "wait")); });
  s.update_ms = over(s.runs, [&](const RunResult& r) {
    double seconds = 0;
    for (const char* name : {"upload", "forward", "backward", "reduce", "optimizer"}) seconds += sum_phase(r, name);
    return per_step(r, seconds);
  });
  s.accuracy = accuracies(s.runs);
  s.unaccounted = over(s.runs, [](const RunResult& r) { return sum(r, "unaccounted_seconds") / std::max(1e-9, sum(r, "wall_seconds")); });
  const auto share = [&](const char* phase) {
    return over(s.runs, [phase](const RunResult& r) { return sum_phase(r, phase) / std::max(1e-9, sum(r, "wall_seconds")); }).median;
  };
  s.wait_share = share("wait");
  s.reduce_share = share("reduce");
  const auto us = [&](const char* name, auto&& total) {
    s.us_per_image.emplace_back(name,
                                over(s.runs, [&](const RunResult& r) { return total(r) / std::max(1.0, sum(r, "images")) * 1e6; }).median);
  };
  for (const char* name : {"wait", "upload", "forward", "backward", "reduce", "optimizer", "other"})
    us(name, [name](const RunResult& r) { return sum_phase(r, name); });
  us("unaccounted", [](const RunResult& r) { return sum(r, "unaccounted_seconds"); });
  fill_stages(s);
}

/// Where a cell stands in the grid: the index of its value on each axis.
std::vector<std::size_t> place_in(const Json& axes, const Cell& cell) {
  std::vector<std::size_t> out;
  if (!axes.is_object()) return out;
  for (const auto& [key, values] : axes.items()) {
    const auto mine = std::find_if(cell.begin(), cell.end(), [&, k = &key](const auto& pair) { return pair.first == *k; });
    if (mine == cell.end() || !values.is_array()) continue;
    out.push_back(static_cast<std::size_t>(std::find(values.begin(), values.end(), mine->second) - values.begin()));
  }
  return out;
}

/// A command for a part of a grid, as one for all of it: records of older studies have no other.
std::string without_only(std::string command) {
  for (std::size_t at; (at = command.find(" --only ")) != std::string::npos;) {
    const std::size_t next = command.find(" --", at + 1);
    command.erase(at, next == std::string::npos ? std::string::npos : next - at);
  }
  return command;
}

}  // namespace

double covered_share(const Json& epoch) {
  const double steps = number(epoch, "steps"), before = number(epoch, "resumed_after_steps");
  return steps > 0 ? std::clamp((steps - before) / steps, 0.0, 1.0) : 1;
}

StudyResults collect(const std::vector<Json>& records) {
  StudyResults out;
  std::map<std::string, std::size_t> at;
  std::size_t line = 0;
  for (const Json& record : records) {
    ++line;
    const std::string type = record.value("type", ""), name = record.value("run", "");
    if (type == "study") {
      out.study = record;
      out.study_line = line;
    } else if (type == "run") {
      const auto [it, fresh] = at.emplace(name, out.runs.size());
      if (fresh) out.runs.emplace_back();
      RunResult& run = out.runs[it->second];
      run = {};
      run.run = record;
      run.repetition = record.value("repetition", 0);
      run.cell = record.contains("cell") ? cell_from(record["cell"]) : Cell{{"run", name}};
    } else if (const auto it = at.find(name); it != at.end()) {
      RunResult& run = out.runs[it->second];
      // An epoch that a resumed run trained again counts once.
      if (type == "epoch" && record.value("complete", true)) {
        std::erase_if(run.epochs, [&](const Json& e) { return e.value("epoch", Json()) == record.value("epoch", Json()); });
        run.epochs.push_back(record);
      }
      if (type == "end") {
        run.outcome = record.value("outcome", "");
        run.error = record.value("error", "");
        // Nothing can be said of it, whatever its record calls it.
        if (run.complete() && sum(run, "images") == 0) {
          run.outcome = "failed";
          run.error = "no image was trained on";
        }
      }
    }
  }
  return out;
}

void keep_planned(StudyResults& results) {
  if (!results.study.is_object() || !results.study.contains("runs")) return;
  std::map<std::string, std::vector<const Json*>> plans;
  for (const Json& plan : results.study["runs"]) plans[plan.value("digest", "")].push_back(&plan);
  const auto planned = [&](const RunResult& run) { return plans.contains(run.run.value("spec_digest", "")); };
  const auto any_complete = [&](bool of_plan) {
    return std::ranges::any_of(results.runs, [&](const RunResult& run) { return run.complete() && planned(run) == of_plan; });
  };
  if (!any_complete(true) && any_complete(false)) {
    results.passed_over = "the last study, " + results.study.value("name", "") + ", has no finished run yet: shown are the other runs of this folder";
    results.study = Json();
    std::erase_if(results.runs, planned);
    return;
  }
  const std::size_t all = results.runs.size();
  std::erase_if(results.runs, [&](RunResult& run) {
    const auto it = plans.find(run.run.value("spec_digest", ""));
    if (it == plans.end()) return true;
    // Two cells may come to the same settings; elsewhere the study decides, whatever command or axes made the run.
    const auto& cells = it->second;
    const auto same = [&](const Json* plan) { return cell_from((*plan)["cell"]) == run.cell; };
    if (std::none_of(cells.begin(), cells.end(), same)) run.cell = cell_from((*cells.front())["cell"]);
    return false;
  });
  results.foreign = all - results.runs.size();
}

Completion completion_of(const StudyResults& results) {
  Completion out;
  if (!results.study.is_object() || !results.study.contains("runs")) return out;
  std::set<std::string> complete;
  std::string command;
  for (const RunResult& run : results.runs) {
    if (run.complete()) complete.insert(run.run.value("spec_digest", ""));
    command = run.run.value("command", "");
  }
  for (const Json& plan : results.study["runs"]) {
    ++out.planned;
    if (complete.contains(plan.value("digest", ""))) {
      ++out.done;
    } else if (Cell cell = cell_from(plan["cell"]); std::find(out.open.begin(), out.open.end(), cell) == out.open.end()) {
      out.open.push_back(std::move(cell));
    }
  }
  out.command = results.study.value("command", without_only(command));
  return out;
}

Spread Spread::of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return {n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2, values.front(), values.back(), n};
}

std::string text_of(const Spread& s, int digits) {
  if (s.count == 0) return "-";
  std::string out = significant(s.median, digits);
  if (s.count > 1) out += " (" + significant(s.low, digits) + "-" + significant(s.high, digits) + ")";
  return out;
}

std::vector<CellSummary> summarize(const StudyResults& results) {
  std::vector<CellSummary> out;
  for (const RunResult& run : results.runs) {
    auto it = std::find_if(out.begin(), out.end(), [&](const CellSummary& s) { return s.cell == run.cell; });
    if (it == out.end()) it = out.insert(out.end(), CellSummary{.cell = run.cell});
    if (run.complete() && !run.epochs.empty())
      it->runs.push_back(&run);
    else if (run.outcome == "failed")
      ++it->failed;
  }
  const Json axes = results.study.is_object() ? results.study.value("axes", Json::object()) : Json::object();
  std::stable_sort(out.begin(), out.end(),
                   [&](const CellSummary& a, const CellSummary& b) { return place_in(axes, a.cell) < place_in(axes, b.cell); });
  for (CellSummary& s : out) fill(s);
  return out;
}

const char* verdict(const CellSummary& cell) {
  if (cell.wait_share > 0.5) return "loader-bound";
  if (cell.wait_share >= 0.1) return "between";
  return cell.reduce_share > kExposedReduce ? "communication-bound" : "compute-bound";
}

}  // namespace millrace
