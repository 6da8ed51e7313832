// What a table implies beyond its cells: a link's rate, a schedule's factors, a batch that would pay, a machine's speed.
#include <algorithm>
#include <cmath>

#include "experiments/detectors.h"
#include "experiments/findings.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

/// Seconds a step, all in.
double step_seconds(const FigureRow& row, double less_seconds = 0) {
  const auto works = works_of(row.settings);
  const Figure* total = row.find("total");
  return works.size() == 1 && total ? (total->value - less_seconds) / works[0].optimizer_steps() : 0;
}

double gbits(double bytes, double seconds) { return 8 * bytes / seconds / 1e9; }

}  // namespace

void implied_link(const FigureTable& table, Findings& out) {
  const double guess = number_of(table.extra.value("assume", Json::object()), "validation_seconds", 0);
  for (const Json& link : table.extra.value("link", Json::array())) {
    const FigureRow* across = table.named(link.value("across", ""));
    if (!across) continue;
    const auto works = works_of(across->settings);
    const double bytes = 4 * number_of(across->settings, "parameters", 0);
    if (works.size() != 1 || bytes <= 0 || !across->find("total")) continue;
    std::vector<double> extra, careful, before;
    for (const Json& name : link.value("within", Json::array())) {
      const FigureRow* row = table.named(name.get<std::string>());
      if (!row || step_seconds(*row) <= 0) continue;
      before.push_back(step_seconds(*row));
      extra.push_back(step_seconds(*across) - step_seconds(*row));
      careful.push_back(step_seconds(*across, guess) - step_seconds(*row, guess));
    }
    if (extra.empty() || *std::min_element(extra.begin(), extra.end()) <= 0) continue;
    const double ring = ring_bytes(bytes, works[0].ranks);
    std::vector<double> all = extra;
    if (guess > 0) all.insert(all.end(), careful.begin(), careful.end());
    const auto ms = [](std::vector<double> v) {
      for (double& x : v) x *= 1e3;
      return span(v, 0) + " ms";
    };
    const double least = *std::min_element(all.begin(), all.end()), most = *std::max_element(all.begin(), all.end());
    std::string text = "Each of the " + grouped(works[0].optimizer_steps()) + " steps of " + across->name + " takes " + ms(extra) +
                       " more than within one node" +
                       (guess > 0 ? " (" + ms(careful) + " if validation is " + fixed(guess, 0) + " s of each run)" : "") +
                       ", so the size of the data set does not explain it. A ring moves 2(W-1)/W x " + fixed(bytes / 1e6, 2) +
                       " MB = " + fixed(ring / 1e6, 1) + " MB a step between the nodes: " + span(gbits(ring, most), gbits(ring, least), 1) +
                       " Gbit/s effective.";
    for (const Json& rate : table.extra.value("assume", Json::object()).value("link_gbits", Json::array())) {
      const double r = rate.get<double>(), once = 8 * bytes / (r * 1e9), round = 8 * ring / (r * 1e9), now = step_seconds(*across);
      text += " " + plain(r) + " Gbit/s " + (once > now ? "is excluded: " : "at line rate ") +
              (once > now ? "at least " + fixed(once * 1e3, 0) + " ms a step, " + fixed(round * 1e3, 0) +
                                " by ring, where all of a step takes " + fixed(now * 1e3, 0) + "."
                          : "would add " + fixed(once * 1e3, 0) + "-" + fixed(round * 1e3, 0) + " ms.");
    }
    out.push_back({"link", text});
  }
}

void batch_of_workers(const FigureTable& table, Findings& out) {
  std::vector<std::string> told;
  double first_workers = 0, last_workers = 0;
  for (const FigureRow& row : table.rows) {
    const auto works = works_of(row.settings);
    const Figure* total = row.find("total");
    if (works.size() != 1 || !total || works[0].workers < 1 || !(row.settings.value("validation_in_total", Json()) == true)) continue;
    const double images = works[0].images * works[0].epochs;
    told.push_back(row.name + " " + grouped(images / total->value) + " images/s, " + fixed(works[0].workers, 0) + " workers, " +
                   fixed(images / total->value / works[0].workers, 0) + " each");
    if (first_workers == 0) first_workers = works[0].workers;
    last_workers = works[0].workers;
  }
  if (told.size() < 2 || first_workers == last_workers) return;
  out.push_back({"D4", "Workers grow with the ranks. Images trained over all of the time: " + some(told) +
                           ". Where the rate a worker stays, a gain is as well explained by more workers as by more devices; the legs "
                           "(loading, compute, exchange) tell."});
}

void break_even(const FigureTable& table, Findings& out) {
  for (const Json& pair : table.extra.value("break_even", Json::array())) {
    const FigureRow *one = table.named(pair.value("one", "")), *many = table.named(pair.value("many", ""));
    if (!one || !many || !one->find("total") || !many->find("total")) continue;
    const auto a = works_of(one->settings), b = works_of(many->settings);
    const double slower = many->find("total")->value / one->find("total")->value;
    if (a.empty() || a.size() != b.size() || slower <= 1) continue;
    std::vector<double> rows, batches;
    for (std::size_t k = 0; k < a.size(); ++k) {
      rows.push_back(b[k].batch);
      batches.push_back(std::round(break_even_batch(one->find("total")->value, many->find("total")->value, b[k].ranks, a[k].global_batch)));
    }
    out.push_back({"break-even", many->name + " is slower than " + one->name + ": " + many->find("total")->text + " / " +
                                     one->find("total")->text + " = " + fixed(slower, 2) + ". With " + either(rows) +
                                     " images a rank and step what is left is launching and exchanging. If a step costs its images plus a "
                                     "constant that does not grow, " +
                                     fixed(b[0].ranks, 0) + " ranks begin to pay from a global batch of " + either(batches) + " on."});
  }
}

void learning_rates(const FigureTable& table, Findings& out) {
  const Json reference = table.extra.value("reference", Json::object());
  const double lr0 = number_of(reference, "lr", 0), b0 = number_of(reference, "batch", 0);
  if (lr0 <= 0 || b0 <= 0) return;
  std::map<double, std::map<double, std::string>> tried;  // By lr, by G.
  std::map<double, double> ranks_of;
  for (const FigureRow& row : table.rows) {
    const double lr = number_of(row.settings, "lr", 0);
    if (lr <= 0 || !row.settings.contains("ranks")) continue;
    for (const Work& w : works_of(row.settings)) {
      std::string& names = tried[lr][w.global_batch];
      names += (names.empty() ? "" : ", ") + row.name;
      ranks_of[lr] = w.ranks;
    }
  }
  for (const auto& [lr, at] : tried) {
    std::vector<std::string> rows;
    for (const auto& [batch, names] : at) {
      const LrRules rules = lr_rules(lr0, b0, batch);
      rows.push_back("G " + fixed(batch, 0) + " (" + names + ") linear " + plain(rules.linear) + ", square root " +
                     significant(rules.square_root, 2));
    }
    const double times = lr / lr0, whole = std::round(times);
    const bool power = std::abs(times - whole) < 1e-6 && (static_cast<long>(whole) & (static_cast<long>(whole) - 1)) == 0;
    std::string verdict;
    if (lr == lr0)
      verdict = "It was not scaled with the batch.";
    else if (at.contains(times * b0))
      verdict = "It is the linear rule's.";
    else
      verdict = "It is " + plain(times) + " x " + plain(lr0) + ", the linear rule's for G = " + plain(times * b0) +
                (power ? ", that is for " + plain(whole) + " ranks of " + plain(b0) + ", and " + plain(ranks_of[lr]) + " ran." : ".");
    out.push_back({"learning rate", "lr " + plain(lr) + ", where rules from (" + plain(lr0) + ", " + plain(b0) + ") give: " + joined(rows) +
                                        ". " + verdict});
  }
}

void warm_up(const FigureTable& table, Findings& out) {
  std::vector<std::string> stops, idle;
  for (const FigureRow& row : table.rows) {
    const double epochs = number_of(row.settings, "warmup_epochs", 0), ranks = number_of(row.settings, "ranks", 1),
                 lr = number_of(row.settings, "lr", 0);
    const double start = row.settings.value("warmup_start", Json()) == "1/ranks" ? 1 / ranks : number_of(row.settings, "warmup_start", 1);
    const double patience = number_of(row.settings, "patience", 0);
    if (epochs < 1 || patience < 1 || start >= 1) continue;
    std::vector<double> factors, reached;
    for (double e = 0; e <= epochs; ++e) factors.push_back(warm_up_factor(start, epochs, e));
    for (double e = 0; e < patience && e <= epochs; ++e) reached.push_back(100 * warm_up_factor(start, epochs, e));
    if (patience <= epochs)
      stops.push_back(row.name + " (lr " + plain(lr) + ": factors " + slashed(factors, 2) + ") can stop after epoch " + fixed(patience, 0) +
                      " at " + span(reached, 0) + " % of it");
  }
  if (!stops.empty())
    out.push_back({"warm-up", std::string("A target met early stops a run before it reaches the rate that its row claims: ") + some(stops) +
                                  ". The factor at the stop belongs beside the time."});
  const bool by_ranks = std::any_of(table.rows.begin(), table.rows.end(), [](const FigureRow& r) {
    return r.settings.value("warmup_start", Json()) == "1/ranks" && number_of(r.settings, "warmup_epochs", 0) > 0;
  });
  const bool one =
      std::any_of(table.rows.begin(), table.rows.end(), [](const FigureRow& r) { return number_of(r.settings, "ranks", 0) == 1; });
  if (by_ranks && one)
    out.push_back({"D4", "Warm-up starts at 1/ranks: at W = 1 the factor is " + fixed(warm_up_factor(1, 5, 0), 0) +
                             " from the first epoch on, so rows of one and of several ranks differ in schedule too."});
}

void norm_collectives(const FigureTable& table, Findings& out) {
  for (const FigureRow& row : table.rows) {
    const auto norm = row.settings.find("norm");
    const double layers = number_of(row.settings, "norm_layers", 0), parameters = number_of(row.settings, "parameters", 0);
    if (norm == row.settings.end() || !norm->is_array() || layers < 1 || number_of(row.settings, "ranks", 1) < 2) continue;
    const double buckets = std::ceil(4 * parameters / (25 * 1048576.0));
    out.push_back({"D4", "The norm is not said (" + value_or(row.settings, "norm", "") + "): SyncBN would add an exchange for each of " +
                             fixed(layers, 0) + " layers forward and backward, " + fixed(2 * layers, 0) + " a step beside " +
                             fixed(buckets, 0) + " gradient buckets of 25 MiB, inside every figure of several ranks. Run both."});
    return;  // Once: it is the source's silence, not a row's.
  }
}

void reused_folders(const FigureTable& table, Findings& out) {
  std::map<std::string, std::vector<std::string>> folders;
  std::string loads;
  for (const FigureRow& row : table.rows) {
    if (!row.settings.contains("loads_checkpoint") || !row.settings.contains("output")) continue;
    loads = value_or(row.settings, "loads_checkpoint", "");
    folders[value_or(row.settings, "output", "")].push_back(row.name);
  }
  for (const auto& [folder, rows] : folders)
    if (rows.size() > 1)
      out.push_back({"reused folder", joined(rows) + " write to one folder (\"" + folder +
                                          "\"), and the program loads the checkpoint that it finds there (" + loads +
                                          "): whichever came later started from trained weights."});
}

void idle_keys(const FigureTable& table, Findings& out) {
  for (const Json& idle : table.extra.value("idle", Json::array())) {
    const std::string key = idle.value("key", ""), because = idle.value("because", "");
    for (const FigureRow& row : table.rows) {
      if (!row.settings.contains(key) || !row.settings.contains(because)) continue;
      out.push_back({"idle key", key + " = " + value_or(row.settings, key, "") + " has no effect where " + because + " is set (" +
                                     value_or(row.settings, because, "") + "): a setting that is listed and does nothing."});
      break;
    }
  }
}

void utilisation(const FigureTable& table, Findings& out) {
  for (const FigureRow& row : table.rows) {
    const Figure *busy = row.find("utilisation"), *total = row.find("total");
    const double ranks = number_of(row.settings, "ranks", 1);
    if (!busy || !total || ranks < 2 || value_or(row.settings, "mode", "") == "dp") continue;
    for (const FigureRow& one : table.rows) {
      if (!one.find("total") || number_of(one.settings, "ranks", 0) != 1 || !agree(one, row, "mode") || !agree(one, row, "workers"))
        continue;
      const double low = ranks * busy->low / 100 * total->value, high = ranks * busy->high / 100 * total->value,
                   all = one.find("total")->value;
      out.push_back({"utilisation", row.name + " shows " + busy->text + " % on " + fixed(ranks, 0) + " devices for " + total->text +
                                        " s, " + span(low, high, 0) + " device-seconds, for work that " + one.name + " does in at most " +
                                        fixed(all, 2) + " (" + span(low / all, high / all, 1) +
                                        " times): the counter calls a device busy while any kernel runs, a collective that spins included. "
                                        "Compute, exchange and idle time must come from events."});
    }
  }
}

void arithmetic_rate(const FigureTable& table, Findings& out) {
  std::vector<double> rates, gaps;
  double work = 0;
  std::string model, precision;
  for (const FigureRow& row : table.rows) {
    const double macs = number_of(row.settings, "multiply_adds", 0);
    const Figure *t = row.find("t_epoch"), *wall = row.find("wall");
    if (macs <= 0 || !t) continue;
    rates.push_back(number_of(row.settings, "images", 0) / t->value);
    if (wall) gaps.push_back(1 - t->value / wall->value);
    work = macs;
    model = value_or(row.settings, "model", "");
    precision = value_or(row.settings, "precision", "");
  }
  if (rates.empty()) return;
  // Forward once, backward twice; two operations a multiply-add.
  const double flops = 6 * work;
  std::vector<double> gflops;
  for (const double r : rates) gflops.push_back(r * flops / 1e9);
  out.push_back({"arithmetic", model + " in " + precision + " trains " + span(rates, 0) + " images/s, a model of " +
                                   significant(work / 1e6, 3) + " M multiply-adds: " + span(gflops, 1) +
                                   " GFLOP/s in all. Arithmetic that slow hides the rest" +
                                   (gaps.empty() ? "" : " (at most " + pct(*std::max_element(gaps.begin(), gaps.end())) + " of the wall)") +
                                   ": whether larger models scale has to be asked in fp32 as well."});
}

}  // namespace millrace
