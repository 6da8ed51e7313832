#include "experiments/timing_table.h"

#include <algorithm>
#include <set>

#include "experiments/detectors.h"
#include "experiments/measured.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

std::string text(const FigureRow& row, const char* column, double scale = 1, int digits = 4) {
  const Figure* f = row.find(column);
  if (!f) return "-";
  std::string out = significant(scale * f->value, digits);
  if (f->high > f->low) out += " (" + significant(scale * f->low, 3) + "-" + significant(scale * f->high, 3) + ")";
  return out;
}

/// What follows from the ranks, or counts what happened.
const std::set<std::string> kFollows{"ranks", "mode", "images", "epochs", "cores", "sync", "bucket_mb", "buffers", "norm", "peer_timeout"};

/// The row of one rank like this one, or null.
const FigureRow* single_rank(const FigureTable& table, const FigureRow& row) {
  for (const FigureRow& other : table.rows) {
    if (number_of(other.settings, "ranks", 1) != 1 || &other == &row) continue;
    bool alike = true;
    for (const auto& [key, value] : row.settings.items()) alike &= kFollows.contains(key) || other.settings.value(key, Json()) == value;
    if (alike) return &other;
  }
  return nullptr;
}

}  // namespace

std::string timing_table(const FigureTable& measured) {
  if (measured.rows.empty()) return {};
  Table table({"row", "W x b", "G", "lr", "steps an epoch", "t_batch ms", "t_epoch s", "wall s", "hidden %", "with validation s",
               "first epoch s", "images/s", "sum of ranks' images/s", "speed-up", "efficiency %", "note"});
  for (const FigureRow& row : measured.rows) {
    const auto works = works_of(row.settings);
    const Work w = works.empty() ? Work{} : works[0];
    const Figure *metric = row.find("t_epoch"), *wall = row.find("wall"), *rate = row.find("images_per_second");
    const FigureRow* one = single_rank(measured, row);
    const Figure* base = one && w.ranks > 1 ? one->find("images_per_second") : nullptr;
    const double faster = base && rate && base->value > 0 ? rate->value / base->value : 0;
    table.add({row.name, fixed(w.ranks, 0) + " x " + fixed(w.batch, 0), fixed(w.global_batch, 0), value_or(row.settings, "lr", "-"),
               grouped(w.steps), text(row, "t_batch", 1e3), text(row, "t_epoch"), text(row, "wall"),
               metric && wall && wall->value > 0 ? fixed(std::max(0.0, 100 * hidden_share(metric->value, wall->value)), 1) : "-",
               text(row, "with_validation"), text(row, "first_epoch"), text(row, "images_per_second"), text(row, "rank_rate"),
               faster > 0 ? fixed(faster, 2) : "-", faster > 0 ? fixed(100 * faster / w.ranks, 0) : "-",
               shares_cores(row)
                   ? fixed(w.processes, 0) + " ranks and workers on " + fixed(number_of(row.settings, "cores", 0), 0) + " cores"
                   : ""});
  }
  return "\n## Times, by each definition\n\n" + table.markdown() +
         "\nt_batch: after the fetch until the weights are new, the slowest rank's mean; t_epoch: its sum over an epoch, as the published "
         "tables define it, "
         "without loading; wall: all of an epoch's training; hidden: 1 - t_epoch / wall. images/s: images over the slowest rank's time, "
         "without the first epoch; beside it "
         "the sum of the ranks' own rates. Efficiency: speed-up over ranks.\n";
}

std::string target_table(const FigureTable& runs, double target, int patience) {
  if (target <= 0 || patience < 1) return {};
  Table table({"run", "target after epoch", "s to target", "lr factor there", "last accuracy %"});
  for (const FigureRow& row : runs.rows) {
    const auto accuracy = row.series.find("accuracy"), seconds = row.series.find("seconds");
    if (accuracy == row.series.end() || seconds == row.series.end() || accuracy->second.empty()) continue;
    const auto& a = accuracy->second;
    std::size_t reached = 0;
    int in_a_row = 0;
    for (std::size_t e = 0; e < a.size() && !reached; ++e) {
      in_a_row = a[e].value >= target ? in_a_row + 1 : 0;
      if (in_a_row >= patience) reached = e + 1;
    }
    double spent = 0;
    for (std::size_t e = 0; e < std::min(reached, seconds->second.size()); ++e) spent += seconds->second[e].value;
    const double start = number_of(row.settings, "warmup_start", 0), ranks = number_of(row.settings, "ranks", 1);
    const double factor = warm_up_factor(start > 0 ? start : 1 / ranks, number_of(row.settings, "warmup_epochs", 0), double(reached) - 1);
    table.add({row.name, reached ? std::to_string(reached) : "not reached", reached ? significant(spent, 4) : "-",
               reached ? fixed(factor, 2) : "-", fixed(100 * a.back().value, 2)});
  }
  return table.empty()
             ? ""
             : "\n## Time to " + pct(target, 0) + " in " + counted(std::size_t(patience), "epoch") + " running\n\n" + table.markdown() +
                   "\nlr factor: of a linear warm-up in the epoch of the stop; a stop below 1 tested less than the rate that its row "
                   "names.\n";
}

}  // namespace millrace
