#include "experiments/comparison.h"

#include <algorithm>
#include <cmath>

#include "experiments/detectors.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

constexpr double kNoise = 1.05;  ///< What one run says about the next on a shared machine.

std::string pct(double share, int decimals = 1) { return fixed(100 * share, decimals) + " %"; }
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return out;
}
std::string slashed(const std::vector<double>& values, int decimals) {
  std::string out;
  for (const double v : values) out += (out.empty() ? "" : " / ") + fixed(v, decimals);
  return out;
}

bool has(const Json& row, const char* key) { return row.contains(key) && row[key].is_number(); }
double get(const Json& row, const char* key) { return row.at(key).get<double>(); }
Json list(const Json& table, const char* key) { return table.value(key, Json::array()); }
const Json* row_named(const Json& rows, const std::string& name) {
  for (const Json& row : rows)
    if (row.value("name", "") == name) return &row;
  return nullptr;
}

double steps_of(const Json& published, double batch) { return get(published, "epochs") * std::ceil(get(published, "images") / batch); }

/// D1 on the rows that give both parts of a step and the total, for each batch size that the source may have meant.
void judge_books(const Json& published, std::vector<Finding>& out) {
  std::vector<Json> rows;
  for (const Json& row : list(published, "row"))
    if (has(row, "load") && has(row, "update") && has(row, "total")) rows.push_back(row);
  if (rows.empty()) return;
  double best_batch = 0, best_off = 1e300;
  bool best_closes = false;
  for (const Json& size : list(published, "batches")) {
    const double batch = size.get<double>(), steps = steps_of(published, batch);
    std::vector<double> parts, walls, ratios, bounds, took;
    double off = 0;
    std::vector<std::string> impossible;
    for (const Json& row : rows) {
      const Books books = close_books(get(row, "load"), get(row, "update"), steps, get(row, "total"));
      parts.push_back(books.parts_seconds);
      walls.push_back(books.wall_seconds);
      ratios.push_back(books.ratio());
      off += std::abs(std::log(books.ratio()));
      const int workers = row.at("settings").value("workers", 0);
      const WorkerBound bound = worker_bound(get(rows.front(), "load"), workers, books.wall_seconds, steps);
      if (workers > 0 && !bound.holds())
        impossible.push_back(std::to_string(workers) + " workers (" + fixed(bound.bound_seconds * 1e3, 2) +
                             " ms of loading a batch against " + fixed(bound.step_seconds * 1e3, 2) + " ms of wall a step)");
    }
    out.push_back({"D1", "batch " + fixed(batch, 0) + " (" + grouped(steps) + " steps): load + update add up to " + slashed(parts, 1) +
                             " s where the totals are " + slashed(walls, 2) + " s: " + slashed(ratios, 2) + " times the wall." +
                             (impossible.empty() ? " The workers could deliver that fast."
                                                 : " No loader delivers faster than its load over its workers: impossible for " +
                                                       joined(impossible) + ".")});
    if (off >= best_off) continue;
    best_off = off, best_batch = batch;
    best_closes = std::all_of(ratios.begin(), ratios.end(), [](double r) { return std::abs(r - 1) <= kNoise - 1; });
  }
  if (best_batch > 0)
    out.push_back(
        {"D1", "the timing table fits a batch of " + fixed(best_batch, 0) +
                   (best_closes ? " best: every row's books close within 5 %." : " best, but not every row's books close within 5 %.")});
}

/// D4: what else differs between two compared rows, and what is left of the claim where only that one differs.
void judge_claims(const Json& published, std::vector<Finding>& out) {
  const Json rows = list(published, "row");
  for (const Json& c : list(published, "comparison")) {
    const Json* slow = row_named(rows, c.value("slow", ""));
    const Json* fast = row_named(rows, c.value("fast", ""));
    if (!slow || !fast || !has(*slow, "total") || !has(*fast, "total")) continue;
    const double a = get(*slow, "total"), b = get(*fast, "total");
    auto keys = differing_keys((*slow).at("settings"), (*fast).at("settings"));
    std::erase(keys, c.value("discussed", ""));
    for (std::string& key : keys)
      key += " (" + value_text((*slow).at("settings").value(key, Json())) + " against " +
             value_text((*fast).at("settings").value(key, Json())) + ")";
    out.push_back({"D4", c.value("claim", "") + ": " + fixed(a, 2) + " s against " + fixed(b, 2) + " s, " + fixed(a / b, 2) + " times (" +
                             (a > b ? "+" : "") + fixed(100 * (a / b - 1), 1) + " %). " +
                             (keys.empty() ? "The two rows differ in nothing else." : "But they differ in " + joined(keys) + " as well.")});
  }
}

void judge_series(const Json& published, std::vector<Finding>& out) {
  for (const Json& s : list(published, "series")) {
    const auto seconds = s.value("seconds", std::vector<double>{});
    const StartUp u = start_up(seconds);
    if (u.off)
      out.push_back({"D9", s.value("name", "") + ": the first epoch took " + fixed(u.first_seconds, 2) + " s, the others " +
                               fixed(u.rest_mean, 2) + " s on average: " + fixed(u.excess_seconds, 2) + " s (" + pct(u.share, 0) +
                               " of the total) are start-up."});
  }
}

void judge_accuracy(const Json& published, std::vector<Finding>& out) {
  const double images = published.value("test_images", 0.0);
  const Json* best = nullptr;
  const Json* worst = nullptr;
  const Json rows = list(published, "row");
  for (const Json& row : rows) {
    if (!has(row, "accuracy")) continue;
    if (!best || get(row, "accuracy") > get(*best, "accuracy")) best = &row;
    if (!worst || get(row, "accuracy") < get(*worst, "accuracy")) worst = &row;
  }
  if (best && worst && images > 0) {
    const double hi = get(*best, "accuracy"), lo = get(*worst, "accuracy");
    const double sd = accuracy_deviation((hi + lo) / 200, images), apart = deviations_apart(hi / 100, lo / 100, images);
    out.push_back({"D7", "one accuracy a row. One standard deviation of " + fixed((hi + lo) / 2, 1) + " % on " + grouped(images) +
                             " images is " + fixed(100 * sd, 2) + " points, of a difference " + fixed(141.42 * sd, 2) +
                             "; the widest gap, " + best->value("name", "") + " (" + fixed(hi, 2) + ") against " +
                             worst->value("name", "") + " (" + fixed(lo, 2) + "), is " + fixed(apart, 1) +
                             " of those: " + (apart < 2 ? "\"alike\" is supported, a ranking is not." : "more than chance explains.")});
  }
  const auto sizes = published.value("class_sizes", std::vector<std::int64_t>{});
  for (const Json& c : list(published, "classes")) {
    const ClassCheck check = check_classes(c.value("accuracy", std::vector<double>{}), sizes);
    if (check.errors.empty()) continue;
    const double printed = c.value("printed", 0.0);
    const bool same = std::abs(check.weighted - printed) < 0.01;
    std::string text = c.value("name", "") + ": class accuracies weighted by class size give " + fixed(check.weighted, 2) + " %, printed " +
                       fixed(printed, 2) + " %: " + (same ? "every image was scored once." : "they do not agree.");
    if (double(check.errors[check.worst]) > 3 * check.expected_at_worst)
      text += " Class " + std::to_string(check.worst) + " has " + std::to_string(check.errors[check.worst]) + " of the " +
              std::to_string(check.total_errors) + " errors, where the other classes' rate predicts " + fixed(check.expected_at_worst, 0) +
              ": the overall figure hides it.";
    out.push_back({"D2", text});
  }
}

}  // namespace

std::vector<Finding> judge_published(const Json& published) {
  std::vector<Finding> out;
  judge_books(published, out);
  judge_claims(published, out);
  judge_series(published, out);
  judge_accuracy(published, out);
  if (const Json alone = published.value("load_alone", Json::object()); has(alone, "affine_on") && has(alone, "affine_off"))
    out.push_back({"D6", "loading alone takes " + fixed(get(alone, "affine_on") * 1e3, 2) + " ms a batch with the affine and " +
                             fixed(get(alone, "affine_off") * 1e3, 2) + " without: the affine is " +
                             pct(hidden_share(get(alone, "affine_off"), get(alone, "affine_on"))) +
                             " of it; what the rest is, is not named."});
  return out;
}

namespace {

std::string own_label(const CellSummary& s) { return s.cell.empty() ? "the run" : cell_label(s.cell); }

std::vector<double> series(const RunResult& run, const char* key) {
  std::vector<double> out;
  for (const Json& e : run.epochs)
    if (const auto it = e.find(key); it != e.end()) out.push_back(it->is_number() ? it->get<double>() : std::nan(""));
  return out;
}

/// Cells that differ only on the axis `key`, in its order.
std::vector<std::vector<const CellSummary*>> lines_along(const std::vector<CellSummary>& cells, const std::string& key) {
  std::vector<std::pair<std::string, std::vector<const CellSummary*>>> lines;
  for (const CellSummary& s : cells) {
    if (s.runs.empty() || std::none_of(s.cell.begin(), s.cell.end(), [&](const auto& p) { return p.first == key; })) continue;
    const std::string rest = cell_label(s.cell, key);
    auto it = std::find_if(lines.begin(), lines.end(), [&](const auto& l) { return l.first == rest; });
    if (it == lines.end()) it = lines.insert(lines.end(), {rest, {}});
    it->second.push_back(&s);
  }
  std::vector<std::vector<const CellSummary*>> out;
  for (auto& [rest, line] : lines)
    if (line.size() > 1) out.push_back(std::move(line));
  return out;
}

/// What each further worker brings, where it stops paying, and whether repetitions tell neighbours apart.
Finding judge_line(const std::vector<const CellSummary*>& line) {
  const CellSummary& first = *line.front();
  const CellSummary* best = line.front();
  std::vector<double> totals;
  std::vector<std::string> workers, unclear;
  for (std::size_t i = 0; i < line.size(); ++i) {
    totals.push_back(line[i]->total_seconds.median);
    workers.push_back(fixed(line[i]->workers, 0));
    if (line[i]->total_seconds.median < best->total_seconds.median) best = line[i];
    if (i == 0) continue;
    const Spread &a = line[i - 1]->total_seconds, &b = line[i]->total_seconds;
    if (a.count > 1 && b.count > 1 && a.low <= b.high && b.low <= a.high) unclear.push_back(workers[i - 1] + " and " + workers[i]);
  }
  // The knee: the fewest workers within 5 % of the best.
  const CellSummary* knee = *std::find_if(
      line.begin(), line.end(), [&](const CellSummary* s) { return s->total_seconds.median <= 1.05 * best->total_seconds.median; });
  std::string text = cell_label(first.cell, "loader.workers");
  text += (text.empty() ? "" : ": ") + std::string("workers ") + joined(workers) + " take " + slashed(totals, 2) + " s; " +
          fixed(knee->workers, 0) + " are within 5 % of the best" +
          (knee == &first
               ? ""
               : " (" + fixed(first.total_seconds.median / knee->total_seconds.median, 2) + " times as fast as " + workers.front() + ")") +
          "; " + workers.front() + " " +
          (first.wait_share > 0.005 ? "waits " + pct(first.wait_share, 0) + " of its time" : "does not wait");
  if (!unclear.empty())
    text += "; not distinguishable by their repetitions: " + joined(unclear);
  else if (first.total_seconds.count == 1)
    text += "; one run a cell: differences of a few per cent say nothing";
  return {"D7", text + "."};
}

}  // namespace

std::vector<Finding> judge_own(const std::vector<CellSummary>& cells) {
  std::vector<Finding> out;
  const CellSummary* worst = nullptr;
  std::size_t runs = 0;
  const auto most_open = [](const CellSummary& s) { return std::max(std::abs(s.unaccounted.low), std::abs(s.unaccounted.high)); };
  for (const CellSummary& s : cells) {
    runs += s.runs.size();
    if (!s.runs.empty() && (!worst || most_open(s) > most_open(*worst))) worst = &s;
  }
  if (!worst) return out;
  const double open = most_open(*worst);
  out.push_back({"D1", std::string(open <= 0.01 ? "books close" : "books do not close") + ": at most " + pct(open, 2) +
                           " of a run's wall is unaccounted (" + own_label(*worst) + "), over " + std::to_string(runs) +
                           (runs == 1 ? " run." : " runs.")});
  for (const auto& line : lines_along(cells, "loader.workers")) out.push_back(judge_line(line));
  std::vector<std::string> dead;
  std::string slowest;
  double most_excess = 0;
  std::size_t slow_starts = 0;
  for (const CellSummary& s : cells) {
    std::size_t dead_runs = 0, first_dead = 0;
    for (const RunResult* run : s.runs) {
      const StartUp u = start_up(series(*run, "wall_seconds"));
      if (u.off && run->epochs.size() > 2 && u.excess_seconds > 0) ++slow_starts;
      if (u.off && run->epochs.size() > 2 && u.excess_seconds > most_excess) {
        most_excess = u.excess_seconds;
        slowest = own_label(s) + " (+" + fixed(u.excess_seconds, 2) + " s)";
      }
      const Json classes = run->epochs.back().value("class_count", Json::array());
      if (const std::size_t e = classes.size() ? not_learning(series(*run, "accuracy"), series(*run, "loss"), int(classes.size())) : 0)
        ++dead_runs, first_dead = first_dead ? std::min(first_dead, e) : e;
    }
    if (dead_runs)
      dead.push_back(own_label(s) + " since epoch " + std::to_string(first_dead) +
                     (s.runs.size() > 1 ? " (" + std::to_string(dead_runs) + " of " + std::to_string(s.runs.size()) + " runs)" : ""));
  }
  if (slow_starts)
    out.push_back({"D9", "the first epoch takes over 5 % longer than the rest in " + std::to_string(slow_starts) + " of " +
                             std::to_string(runs) + " runs, most in " + slowest + "; images/s leaves it out."});
  if (auto stages = judge_stages(cells)) out.push_back(std::move(*stages));
  if (!dead.empty()) out.push_back({"D10", "not learning: " + joined(dead) + "."});
  return out;
}

namespace {

/// Our cells that ran with a published row's settings: one rank, so mode single.
std::vector<const CellSummary*> matching(const Json& row, const std::vector<CellSummary>& cells) {
  std::vector<const CellSummary*> out;
  const Json settings = row.value("settings", Json::object());
  if (settings.value("mode", "") != "single") return out;
  for (const CellSummary& s : cells) {
    if (s.runs.empty() || s.workers != settings.value("workers", -1.0)) continue;
    const auto affine = std::find_if(s.cell.begin(), s.cell.end(), [](const auto& p) { return p.first == "augment.affine"; });
    if (affine != s.cell.end() && settings.contains("affine") && affine->second != settings["affine"]) continue;
    out.push_back(&s);
  }
  return out;
}

std::string number_or_dash(const Json& row, const char* key, double scale, int decimals) {
  return has(row, key) ? fixed(get(row, key) * scale, decimals) : "-";
}

}  // namespace

std::string side_by_side(const Json& published, const std::vector<CellSummary>& cells) {
  Table table({"row", "load ms", "update ms", "total s", "images/s", "accuracy %"});
  const double images = get(published, "images") * get(published, "epochs");
  for (const Json& row : list(published, "row")) {
    table.add({"published: " + row.value("name", ""), number_or_dash(row, "load", 1e3, 2), number_or_dash(row, "update", 1e3, 2),
               number_or_dash(row, "total", 1, 2), has(row, "total") ? grouped(images / get(row, "total")) : "-",
               number_or_dash(row, "accuracy", 1, 2)});
    const auto ours = matching(row, cells);
    for (const CellSummary* s : ours)
      table.add({"ours: " + own_label(*s), text_of(s->load_ms, 3), text_of(s->update_ms, 3), text_of(s->total_seconds),
                 text_of(s->images_per_second), s->accuracy.count ? fixed(100 * s->accuracy.median, 2) : "-"});
    if (ours.empty()) {
      const std::string needs = row.value("needs", "");
      table.add({needs.empty() ? "ours: not in this grid" : "ours: not run: needs " + needs, "-", "-", "-", "-", "-"});
    }
  }
  return table.markdown();
}

std::vector<Finding> judge_both(const Json& published, const std::vector<CellSummary>& cells) {
  std::vector<Finding> out;
  const Json tolerance = published.value("tolerance", Json::object());
  const double images = get(published, "images") * get(published, "epochs");
  double best_published = 0, best_own = 0;
  const CellSummary* best = nullptr;
  for (const Json& row : list(published, "row"))
    if (has(row, "total")) best_published = std::max(best_published, images / get(row, "total"));
  std::vector<double> accuracies;
  std::vector<std::string> outside;
  for (const CellSummary& s : cells) {
    if (s.runs.empty()) continue;
    if (s.images_per_second.median > best_own) best_own = s.images_per_second.median, best = &s;
    if (!s.accuracy.count) continue;
    const double accuracy = 100 * s.accuracy.median;
    accuracies.push_back(accuracy);
    if (accuracy < tolerance.value("accuracy_low", 0.0) || accuracy > tolerance.value("accuracy_high", 100.0))
      outside.push_back(own_label(s) + " (" + fixed(accuracy, 2) + ")");
  }
  for (const Json& order : list(published, "order")) {
    if (order.value("axis", "") != "workers" || order.value("metric", "") != "total") continue;
    std::size_t kept = 0, lines = 0;
    for (const auto& line : lines_along(cells, "loader.workers")) {
      ++lines;
      kept += std::adjacent_find(line.begin(), line.end(), [](const CellSummary* a, const CellSummary* b) {
                return b->total_seconds.low > kNoise * a->total_seconds.high;
              }) == line.end();
    }
    if (lines)
      out.push_back({"D7", "the published order, total " + order.value("direction", "") +
                               " with workers, is not reversed (by more than the spread and 5 %) in " + std::to_string(kept) + " of " +
                               std::to_string(lines) + " lines of our grid."});
  }
  for (const Json& row : list(published, "row")) {
    if (!has(row, "load") || !has(row, "update")) continue;
    std::vector<std::string> ours;
    for (const CellSummary* s : matching(row, cells)) ours.push_back(fixed(s->load_ms.median / s->update_ms.median, 2));
    if (!ours.empty())
      out.push_back({"D1", row.value("name", "") + ": load over update is " + fixed(get(row, "load") / get(row, "update"), 2) +
                               " published, " + joined(ours) + " here."});
  }
  if (best)
    out.push_back({"D1", "our best is " + grouped(best_own) + " images/s (" + own_label(*best) + ", " + verdict(best->wait_share) +
                             "); the published best is " + grouped(best_published) + " on other hardware (" +
                             fixed(best_own / best_published, 2) + " times)."});
  const std::size_t epochs = best && !best->runs.empty() ? best->runs.front()->epochs.size() : 0;
  if (double(epochs) != get(published, "epochs")) {
    out.push_back({"D5", "here " + std::to_string(epochs) + " epochs, published " + fixed(get(published, "epochs"), 0) +
                             ": totals and accuracies are not judged."});
  } else if (!accuracies.empty()) {
    const auto [low, high] = std::minmax_element(accuracies.begin(), accuracies.end());
    const double gap = *high - *low;
    out.push_back({"D7", "accuracy lies between " + fixed(*low, 2) + " and " + fixed(*high, 2) + " %; " +
                             (outside.empty() ? "all cells are" : joined(outside) + (outside.size() == 1 ? " is" : " are") + " not") +
                             " within " + fixed(tolerance.value("accuracy_low", 0.0), 1) + "-" +
                             fixed(tolerance.value("accuracy_high", 100.0), 1) + " %, and the widest gap, " + fixed(gap, 2) +
                             " points, is " + (gap <= tolerance.value("accuracy_gap", 0.0) ? "within" : "beyond") + " the " +
                             fixed(tolerance.value("accuracy_gap", 0.0), 2) + " allowed."});
  }
  return out;
}

}  // namespace millrace
