#include "experiments/own_findings.h"

#include <algorithm>
#include <map>

#include "experiments/measured.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

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

/// The trainer's own books: what of a run's wall no phase names.
void judge_unaccounted(const std::vector<CellSummary>& cells, Findings& out) {
  const auto most_open = [](const CellSummary& s) { return std::max(std::abs(s.unaccounted.low), std::abs(s.unaccounted.high)); };
  const CellSummary* worst = nullptr;
  std::size_t runs = 0;
  for (const CellSummary& s : cells) {
    runs += s.runs.size();
    if (!s.runs.empty() && (!worst || most_open(s) > most_open(*worst))) worst = &s;
  }
  if (!worst) return;
  const double open = most_open(*worst);
  out.push_back({"D1", std::string(open <= 0.01 ? "Books close" : "Books do not close") + ": at most " + pct(open, 2) +
                           " of a run's wall is unaccounted (" + own_label(*worst) + "), over " + counted(runs, "run") + "."});
}

void judge_cores(const FigureTable& table, Findings& out) {
  std::vector<std::string> sharing;
  double cores = 0;
  for (const FigureRow& row : table.rows)
    if (shares_cores(row)) {
      sharing.push_back(row.name);
      cores = row.settings.value("cores", 0.0);
    }
  if (!sharing.empty())
    out.push_back({"cores", counted(sharing.size(), "row") + " of " + std::to_string(table.rows.size()) +
                                " run more ranks and workers than the " + fixed(cores, 0) +
                                " cores of the machine, so they share them, and their times are no speed-up of as many cores: " +
                                some(sharing, 4) + "."});
}

/// The exact evaluation beside what another way of scoring would have printed, of each cell's last epoch.
void judge_evaluation(const std::vector<CellSummary>& cells, Findings& out) {
  std::vector<std::string> told;
  std::string how;
  for (const CellSummary& cell : cells) {
    if (cell.runs.empty()) continue;
    const Json& last = cell.runs.front()->epochs.back();
    const Json beside = last.value("evaluation_beside", Json());
    if (!beside.is_object() || !beside["accuracy"].is_number() || !last["accuracy"].is_number()) continue;
    how = beside.value("how", "");
    const double missed = beside.value("missed", 0.0), doubled = beside.value("doubled", 0.0);
    const double exact = last["accuracy"].get<double>(), other = beside["accuracy"].get<double>();
    std::string counts;
    if (missed > 0) counts = grouped(missed) + " never";
    if (doubled > 0) counts = grouped(doubled) + " again";
    told.push_back(own_label(cell) + ": " + fixed(100 * exact, 2) + " % of " + grouped(last.value("scored", 0.0)) + " exactly, " + fixed(100 * other, 2) +
                   " % of " + grouped(beside.value("scored", 0.0)) + (counts.empty() ? "" : " (" + counts + ")"));
  }
  if (!told.empty()) out.push_back({"D8", "Scored exactly, and as " + how + " would have: " + some(told, 6) + "."});
}

/// Ranks that the epochs' records name, cell by cell.
void judge_slow_ranks(const std::vector<CellSummary>& cells, Findings& out) {
  for (const CellSummary& s : cells) {
    std::map<std::string, std::vector<double>> times;  // By "rank 1 (forward)".
    std::size_t epochs = 0;
    for (const RunResult* run : s.runs)
      for (const Json& epoch : run->epochs) {
        ++epochs;
        for (const Json& slow : epoch.value("slow_ranks", Json::array()))
          times["rank " + std::to_string(slow.value("rank", 0)) + " (" + slow.value("phase", "") + (slow.contains("stage") ? ": " + slow.value("stage", "") : "") + ")"].push_back(
              slow.value("times", 0.0));
      }
    for (const auto& [name, factors] : times)
      out.push_back({"slow rank", own_label(s) + ": " + name + " took " + span(factors, 2) + " times as long a step as the others, in " + std::to_string(factors.size()) +
                                      " of " + counted(epochs, "epoch") + "."});
  }
}

}  // namespace

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

Findings judge_own(const std::vector<CellSummary>& cells, const std::vector<Cell>& open) {
  Findings out;
  judge_unaccounted(cells, out);
  if (out.empty()) return out;
  const std::string workers = "loader.workers";
  std::size_t waiting = 0;
  for (const auto& line : lines_along(cells, workers)) {
    const std::string rest = cell_label(line.front()->cell, workers);
    const bool whole = std::none_of(open.begin(), open.end(), [&](const Cell& cell) { return cell_label(cell, workers) == rest; });
    if (whole)
      out.push_back(judge_line(line));
    else
      ++waiting;
  }
  const FigureTable table = measured_table(cells), runs = measured_runs(cells);
  for (const auto detector : {closed_books, identities, copied_cells, hidden_parts}) detector(table, out);
  if (open.empty())
    noise(table, out);
  else
    out.push_back({"waiting", counted(open.size(), "cell") + (open.size() == 1 ? " lacks runs" : " lack runs") + " of the study, the first is " +
                                  cell_label(open.front()) + ". What chance explains is not judged until they are there" +
                                  (waiting ? ", nor " + counted(waiting, "comparison") + " of numbers of workers." : ".")});
  counts(table, out);
  first_epochs(runs, out);
  dead_rows(runs, out);
  judge_evaluation(cells, out);
  judge_cores(table, out);
  judge_slow_ranks(cells, out);
  if (auto stages = judge_stages(cells); stages && open.empty()) out.push_back(std::move(*stages));
  return out;
}

}  // namespace millrace
