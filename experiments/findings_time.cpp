// D1, D6 and D9: where the time of a table goes.
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

constexpr const char* kParts[] = {"load", "update", "other"};  ///< Of a step, in seconds.
constexpr double kClosed = 0.05;                               ///< Books of printed figures close within this.

struct BookedRow {
  const FigureRow* row;
  std::string parts;  ///< "load + update"
  double step_seconds = 0, wall_seconds = 0;
};

std::vector<BookedRow> booked_rows(const FigureTable& table) {
  std::vector<BookedRow> out;
  for (const FigureRow& row : table.rows) {
    const Figure* total = row.find("total");
    if (!total || !row.find("load") || !row.find("update")) continue;
    BookedRow booked{&row, {}, 0, total->value};
    for (const char* part : kParts)
      if (const Figure* f = row.find(part)) {
        booked.parts += (booked.parts.empty() ? "" : " + ") + std::string(part);
        booked.step_seconds += f->value;
      }
    out.push_back(booked);
  }
  return out;
}

/// The load of a row like this one that loads in the trainer's own thread.
const Figure* load_alone(const FigureTable& table, const FigureRow& row) {
  for (const FigureRow& other : table.rows) {
    if (!other.find("load") || !other.find("total") || number_of(other.settings, "workers", -1) != 0) continue;
    Json like = row.settings;
    for (const char* key : {"workers", "run"}) like.erase(key);
    if (has_settings(other, like)) return other.find("load");
  }
  return nullptr;
}

std::string impossible_text(const FigureTable& table, const std::vector<BookedRow>& rows, std::size_t alternative) {
  std::vector<std::string> impossible;
  std::vector<double> over_bound;
  for (const BookedRow& b : rows) {
    const auto works = works_of(b.row->settings);
    const Work& w = works[std::min(alternative, works.size() - 1)];
    const int workers = int(number_of(b.row->settings, "workers", 0));
    const Figure* alone = load_alone(table, *b.row);
    if (workers < 1 || !alone) continue;
    const WorkerBound bound = worker_bound(alone->value, workers, b.wall_seconds, w.optimizer_steps());
    if (const Figure* update = b.row->find("update"); update && update->value > 0)
      over_bound.push_back(bound.step_seconds / std::max(bound.bound_seconds, update->value));
    if (!bound.holds())
      impossible.push_back(counted(std::size_t(workers), "worker") + " (" + fixed(bound.bound_seconds * 1e3, 2) +
                           " ms of loading a batch against " + fixed(bound.step_seconds * 1e3, 2) + " ms of wall a step)");
  }
  if (impossible.empty() && !over_bound.empty() && over_bound.size() <= 4)
    return " The workers could deliver that fast: the wall is " + slashed(over_bound, 2) +
           " times the larger of load over workers and update.";
  return impossible.empty()
             ? " The workers could deliver that fast."
             : " No loader delivers faster than one worker's load over the workers: impossible for " + some(impossible) + ".";
}

}  // namespace

void closed_books(const FigureTable& table, Findings& out) {
  const std::vector<BookedRow> rows = booked_rows(table);
  if (rows.empty()) return;
  std::size_t alternatives = 0;
  for (const BookedRow& b : rows) {
    const std::size_t n = works_of(b.row->settings).size();
    if (n == 0) return;
    alternatives = std::max(alternatives, n);
  }
  double best_off = HUGE_VAL;
  std::string fits;
  for (std::size_t k = 0; k < alternatives; ++k) {
    std::vector<double> parts, walls, ratios;
    std::vector<std::string> open;
    std::set<std::string> steps;
    std::set<double> batches;
    double off = 0, short_seconds = 0;
    for (const BookedRow& b : rows) {
      const auto works = works_of(b.row->settings);
      const Work& w = works[std::min(k, works.size() - 1)];
      const Books books = close_books(b.step_seconds, 0, w.optimizer_steps(), b.wall_seconds);
      parts.push_back(books.parts_seconds);
      walls.push_back(books.wall_seconds);
      ratios.push_back(books.ratio());
      off += std::abs(std::log(books.ratio()));
      steps.insert(grouped(w.optimizer_steps()));
      batches.insert(w.global_batch);
      short_seconds = std::max(short_seconds, books.wall_seconds - books.parts_seconds);
      if (std::abs(books.ratio() - 1) > kClosed) open.push_back(b.row->name);
    }
    const std::string which = alternatives > 1 ? "Batch " + fixed(*batches.begin(), 0) + " (" + *steps.begin() + " steps): " : "";
    if (rows.size() > 4) {
      const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
      out.push_back(
          {"D1",
           which + rows.front().parts + " add up to " + span(ratios, 3) + " times the wall in " + counted(rows.size(), "row") +
               (open.empty()
                    ? ": the books close."
                    : "; most off: " +
                          rows[std::size_t((std::abs(*least - 1) > std::abs(*most - 1) ? least : most) - ratios.begin())].row->name + ".") +
               impossible_text(table, rows, k)});
    } else {
      out.push_back({"D1", which + rows.front().parts + " add up to " + slashed(parts, 1) + " s where the totals are " + slashed(walls, 2) +
                               " s: " + slashed(ratios, 2) + " times the wall." + impossible_text(table, rows, k)});
    }
    if (off >= best_off) continue;
    best_off = off;
    fits = "The timing table fits a batch of " + fixed(*batches.begin(), 0) +
           (open.empty() ? " best: every row's books close within " + pct(kClosed, 0) + "."
                         : " best, but not every row's books close within " + pct(kClosed, 0) + " (" + some(open) + ").");
    if (short_seconds > kClosed * walls.back() && value_or(rows.front().row->settings, "update_synchronised", "") == "not stated")
      fits += " Parts that fall short leave up to " + fixed(short_seconds, 2) +
              " s unnamed: an update timed without waiting for its device counts launches only; phases must come from the device's events.";
  }
  if (alternatives > 1) out.push_back({"D1", fits});
}

namespace {

/// From the epoch's sum where it is given: of two cells that disagree it is the one that was not copied (D3).
double mean_step(const FigureRow& row) {
  const auto works = works_of(row.settings);
  const Figure* epoch = row.find("t_epoch");
  return epoch && !works.empty() ? epoch->value / works[0].steps : row.find("t_batch")->value;
}

}  // namespace

void shared_window(const FigureTable& table, Findings& out) {
  std::vector<std::pair<std::string, std::vector<double>>> growth;
  double most_ranks = 0, processes = 0, workers = 0;
  for (const FigureRow& row : table.rows) {
    const auto works = works_of(row.settings);
    const std::string sync = value_or(row.settings, "sync", "");
    if (works.empty() || works[0].ranks < 2 || !row.find("t_batch") || sync.find("blocking") == std::string::npos) continue;
    for (const FigureRow& base : table.rows) {
      if (!base.find("t_batch") || number_of(base.settings, "ranks", 0) != 1 || !agree(base, row, "model") ||
          !agree(base, row, "batch_per_rank"))
        continue;
      const std::string name = value_or(row.settings, "model", "all") + " on " + fixed(works[0].ranks, 0);
      if (growth.empty() || growth.back().first != name) growth.emplace_back(name, std::vector<double>{});
      growth.back().second.push_back(mean_step(row) / mean_step(base));
    }
    if (works[0].ranks < most_ranks) continue;
    most_ranks = works[0].ranks;
    processes = works[0].processes;
    workers = works[0].workers / works[0].ranks;
  }
  if (growth.empty()) return;
  std::vector<std::string> grown;
  for (const auto& [name, values] : growth) grown.push_back(span(values, 1) + " times for " + name);
  out.push_back({"D1",
                 "The window of t_batch holds a blocking all-reduce, so a rank that waits for another rank's loader books the wait as step "
                 "time; and " +
                     fixed(most_ranks, 0) + " ranks with " + fixed(workers, 0) + " workers each are " + fixed(processes, 0) +
                     " processes on one machine. From 1 rank on, the step grows at equal b (" + joined(grown) +
                     " ranks): that is skew and shared cores as well as communication."});
}

namespace {

/// Rows of one model and one number of ranks, as the tables of these studies are read.
std::string group_of(const FigureRow& row) {
  const std::string model = value_or(row.settings, "model", ""), ranks = value_or(row.settings, "ranks", "");
  return model + (model.empty() || ranks.empty() ? "" : ", ") + (ranks.empty() ? "" : ranks + (ranks == "1" ? " rank" : " ranks"));
}

void fixed_cost(const FigureTable& table, Findings& out) {
  std::vector<double> gaps, metrics;
  double workers = 0;
  for (const FigureRow& row : table.rows) {
    const Figure *metric = row.find("t_epoch"), *wall = row.find("wall");
    if (!metric || !wall || number_of(row.settings, "ranks", 1) < 2) continue;
    gaps.push_back(wall->value - metric->value);
    metrics.push_back(metric->value);
    workers = number_of(row.settings, "workers", 0);
  }
  if (gaps.size() < 4) return;
  const auto [low, high] = std::minmax_element(gaps.begin(), gaps.end());
  const auto [least, most] = std::minmax_element(metrics.begin(), metrics.end());
  if (*low <= 0 || *high > 1.5 * *low || *most < 10 * *least) return;
  out.push_back({"D6", "The difference wall - t_epoch is " + span(gaps, 1) + " s in all " + std::to_string(gaps.size()) +
                           " rows of several ranks, while t_epoch itself goes from " + significant(*least, 3) + " to " +
                           significant(*most, 3) + " s: a fixed cost an epoch, whatever the model and the batch" +
                           (workers > 0 ? "; these rows start " + fixed(workers, 0) + " workers a rank each epoch." : ".")});
}

void unnamed_validation(const FigureTable& table, Findings& out) {
  for (const FigureRow& row : table.rows) {
    const auto series = row.series.find("seconds");
    const Figure* cumulative = row.find("cumulative");
    if (value_or(row.settings, "leaves_out", "") != "validation" || series == row.series.end() || !cumulative) continue;
    double sum = 0;
    for (const Figure& f : series->second) sum += f.value;
    const bool only =
        std::abs(sum - cumulative->value) <= (cumulative->high - cumulative->low) * double(series->second.size() + 1) / 2 + 1e-9;
    std::string text = row.name + ": epoch times add up to " + fixed(sum, 3) + " s, cumulative is " + cumulative->text +
                       " s: " + (only ? "validation is in neither, nor in images/s" : "they do not agree");
    if (const auto works = works_of(row.settings); only && !works.empty()) {
      const Scored scored = scored_of(row.settings, works[0]);
      text += "; " + grouped(scored.passes) + " images scored beside " + grouped(works[0].trained) +
              " trained, a third of the arithmetic each, would be " + pct(scored.passes / 3 / works[0].trained) + " of the epoch";
    }
    if (const auto workers = row.settings.find("workers"); workers != row.settings.end() && *workers == 0)
      text += ". Loading (workers 0: one thread a rank) is inside, so the rates may be the loader's";
    out.push_back({"D6", text + "."});
  }
}

}  // namespace

void hidden_parts(const FigureTable& table, Findings& out) {
  std::vector<std::pair<std::string, std::vector<double>>> groups;
  for (const FigureRow& row : table.rows) {
    const Figure *metric = row.find("t_epoch"), *wall = row.find("wall");
    if (!metric || !wall) continue;
    const std::string name = group_of(row);
    if (groups.empty() || groups.back().first != name) groups.emplace_back(name, std::vector<double>{});
    groups.back().second.push_back(std::max(0.0, 100 * hidden_share(metric->value, wall->value)));  // Less than nothing is noise.
  }
  if (!groups.empty()) {
    std::vector<std::string> told;
    for (const auto& [name, shares] : groups) {
      const bool small = *std::max_element(shares.begin(), shares.end()) < 10;
      told.push_back((name.empty() ? "" : name + " ") + slashed(shares, small ? 1 : 0) + " %");
    }
    out.push_back({"D6", "The metric t_epoch leaves out loading and whatever else lies between steps; hidden share of the wall: " +
                             some(told, 12) + "."});
  }
  fixed_cost(table, out);
  for (const Claim& c : table.claims) {
    if (c.beside.empty() || c.metrics.size() != 1) continue;
    std::vector<double> metric, beside;
    for (const auto& [a, b] : c.pairs) {
      const FigureRow &from = table.rows[a], &to = table.rows[b];
      if (!from.find(c.metrics[0]) || !to.find(c.metrics[0]) || !from.find(c.beside) || !to.find(c.beside)) continue;
      metric.push_back(to.find(c.metrics[0])->value / from.find(c.metrics[0])->value);
      beside.push_back(to.find(c.beside)->value / from.find(c.beside)->value);
    }
    if (metric.empty()) continue;
    const int decimals = *std::max_element(beside.begin(), beside.end()) < 1.5 ? 2 : 1;
    out.push_back({"D6", "\"" + c.text + "\": " + span(metric, decimals) + " times in " + c.metrics[0] + ", " + span(beside, decimals) +
                             " times in the " + c.beside + "."});
  }
  unnamed_validation(table, out);
}

void first_epochs(const FigureTable& table, Findings& out) {
  const auto values = [](const std::vector<Figure>& series) {
    std::vector<double> v;
    for (const Figure& f : series) v.push_back(f.value);
    return v;
  };
  std::size_t rows = 0;
  std::vector<std::pair<double, std::string>> slow;
  Findings told;
  for (const FigureRow& row : table.rows) {
    const auto it = row.series.find("seconds");
    if (it == row.series.end() || it->second.size() < 3) continue;
    ++rows;
    const StartUp u = start_up(values(it->second));
    if (!u.off || u.excess_seconds <= 0) continue;
    slow.emplace_back(u.excess_seconds, row.name);
    told.push_back({"D9", row.name + ": the first epoch took " + fixed(u.first_seconds, 2) + " s, the others " + fixed(u.rest_mean, 2) +
                              " s on average: " + fixed(u.excess_seconds, 2) + " s (" + pct(u.share, 0) + " of the total) are start-up."});
  }
  if (told.size() <= 3)
    out.insert(out.end(), told.begin(), told.end());
  else if (const auto most = std::max_element(slow.begin(), slow.end()); most != slow.end())
    out.push_back({"D9", "The first epoch takes over 5 % longer than the rest in " + std::to_string(slow.size()) + " of " +
                             std::to_string(rows) + " runs, most in " + most->second + " (+" + fixed(most->first, 2) +
                             " s); images/s leaves it out."});
  // A rate that is some run's first epoch, start-up inside.
  for (const FigureRow& row : table.rows) {
    const Figure* rate = row.find("images_per_second");
    if (!rate || rate->digits() < 3) continue;
    for (const FigureRow& other : table.rows) {
      const auto it = other.series.find("images_per_second");
      if (it == other.series.end() || it->second.size() < 2) continue;
      const double first = it->second[0].value, second = it->second[1].value;
      // Cut off or rounded to its digits.
      if (std::floor(first) != rate->value && (first < rate->low || first > rate->high)) continue;
      std::vector<std::string> differ;
      for (const auto& [key, value] : row.settings.items())
        if (!agree(row, other, key) && key != "record" && key != "epochs")
          differ.push_back(key + " " + value_or(row.settings, key, "") + " against " + value_or(other.settings, key, ""));
      out.push_back({"D9", row.name + "'s " + rate->text + " images/s are " + other.name + "'s first epoch, " + fixed(first, 3) +
                               ", in all " + std::to_string(rate->digits()) + " digits: start-up is inside" +
                               (differ.empty() ? "" : ", and the runs are not alike (" + joined(differ) + ")") + ". The next epoch gives " +
                               fixed(second, 1) + " (" + signed_pct(second / first - 1) + ")."});
      for (const Claim& c : table.claims)
        for (const auto& [a, b] : c.pairs)
          if (&table.rows[b] == &row && c.metrics.size() == 1 && c.metrics[0] == "images_per_second" &&
              table.rows[a].find("images_per_second")) {
            const double base = table.rows[a].find("images_per_second")->value, ranks = number_of(row.settings, "ranks", 1);
            out.push_back({"D9", "\"" + c.text + "\": without the first epoch " + fixed(second, 1) + " / " + fixed(base, 0) + " = " +
                                     fixed(second / base, 2) + " times (efficiency " + pct(second / base / ranks, 0) + ")."});
          }
    }
  }
}

}  // namespace millrace
