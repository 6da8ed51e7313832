#include "experiments/figure_plots.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "experiments/gnuplot.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "experiments/work.h"

namespace millrace {
namespace {

// Colour-blind safe (Okabe and Ito, 2008), as in plot.cpp.
const char* const kRanks[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"};

/// The accuracy to draw: after the most epochs that both tables have.
std::string accuracy_column(const FigureTable& a, const FigureTable& b) {
  std::set<std::size_t> columns[2];
  const FigureTable* tables[] = {&a, &b};
  for (int t = 0; t < 2; ++t)
    for (const FigureRow& row : tables[t]->rows)
      for (const auto& [column, figure] : row.figures)
        if (column.starts_with("accuracy_")) columns[t].insert(std::stoul(column.substr(9)));
  std::size_t last = 0;
  for (const std::size_t n : columns[columns[0].empty() ? 1 : 0])
    if (columns[1].empty() || columns[0].empty() || columns[1].contains(n)) last = std::max(last, n);
  return last ? "accuracy_" + std::to_string(last) : "accuracy";
}

struct Point {
  double global_batch, batch, value, low, high;
};
using Lines = std::map<std::string, std::map<std::pair<int, std::string>, std::vector<Point>>>;  // By model; by ranks and kind.

void collect(const FigureTable& table, const std::string& column, bool published, Lines& lines) {
  const double unit = table.in_percent("accuracy") ? 1 : 100;
  for (const FigureRow& row : table.rows) {
    const auto works = works_of(row.settings);
    const Figure* f = row.find(column);
    if (works.size() != 1 || !f || f->at_least || f->digits() < 3) continue;  // Fewer digits draw no line.
    std::string kind = published ? "published" : "ours";
    if (const std::string run = value_or(row.settings, "run", ""); !published && !run.empty()) kind += ", " + run;
    lines[value_or(row.settings, "model", "")][{int(works[0].ranks), kind}].push_back(
        {works[0].global_batch, works[0].batch, unit * f->value, unit * f->low, unit * f->high});
  }
}

}  // namespace

std::string batch_plot(const FigureTable& published, const FigureTable& ours) {
  const std::string column = accuracy_column(published, ours);
  Lines lines;
  collect(published, column, true, lines);
  collect(ours, column, false, lines);
  std::erase_if(lines, [](const auto& model) {
    std::set<double> batches;
    for (const auto& [key, points] : model.second)
      for (const Point& p : points) batches.insert(p.batch);
    return batches.size() < 2;
  });
  if (lines.empty()) return {};
  std::ostringstream data, panels;
  int block = 0;
  for (auto& [model, series] : lines) {
    std::string plots[2];
    for (auto& [key, points] : series) {
      const auto& [ranks, kind] = key;
      std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.batch < b.batch; });
      for (const Point& p : points) data << p.global_batch << " " << p.batch << " " << p.value << " " << p.low << " " << p.high << "\n";
      data << "\n\n";
      const std::string colour = kRanks[static_cast<std::size_t>(ranks > 4 ? 3 : ranks > 2 ? 2 : ranks - 1)];
      const bool open = kind == "published";
      for (int panel = 0; panel < 2; ++panel)
        plots[panel] += (plots[panel].empty() ? "" : ", ") + std::string("$rows index ") + std::to_string(block) + " using " +
                        (panel ? "2" : "1") + ":3:4:5 with yerrorlines lw " + (open ? "1.2 dt 2 pt 6" : "2 pt 7") + " ps 0.9 lc rgb \"" +
                        colour + "\"" + (panel ? " title " + gnuplot_text("W " + std::to_string(ranks) + ", " + kind) : " notitle");
      ++block;
    }
    for (int panel = 0; panel < 2; ++panel)
      panels << "set title " << gnuplot_text(model + (panel ? ": at equal b, images a rank" : ": at equal G, the global batch"))
             << " noenhanced\n"
             << "set xlabel \"" << (panel ? "b" : "G = W b") << "\"\n"
             << (panel ? "set key outside right top\n" : "unset key\n") << "plot " << plots[panel] << "\n";
  }
  std::ostringstream out;
  out << "# Made by `millrace report`: accuracy by batch.\n$rows << EOD\n"
      << data.str() << "EOD\n"
      << "set multiplot layout " << lines.size() << ",2\n"
      << "set logscale x 2; set grid ytics lc rgb \"#DDDDDD\"; set border 3; set tics nomirror; set offsets graph 0.05, graph 0.05, graph "
         "0.05, graph 0.05\n"
      << "set ylabel " << gnuplot_text("% after " + (column == "accuracy" ? std::string("the last epoch") : "epoch " + column.substr(9)))
      << "\n"
      << panels.str() << "unset multiplot\n";
  return out.str();
}

std::string hidden_plot(const FigureTable& table) {
  std::ostringstream data;
  std::size_t rows = 0;
  for (const FigureRow& row : table.rows) {
    const Figure *metric = row.find("t_epoch"), *wall = row.find("wall");
    if (!metric || !wall || wall->value <= 0) continue;
    data << gnuplot_text(row.name) << " " << 100 * std::min(1.0, metric->value / wall->value) << " " << wall->value << "\n";
    ++rows;
  }
  if (rows == 0) return {};
  std::ostringstream out;
  out << "# Made by `millrace report`: what t_epoch shows of an epoch's wall.\n$rows << EOD\n"
      << data.str() << "EOD\n"
      << "set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb \"#DDDDDD\"\n"
      << "set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:" << double(rows) - 0.4
      << "]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8\n"
      << "set ylabel \"% of the wall of an epoch\"; set key outside top center horizontal samplen 1\n"
      << "plot $rows using 0:(100):xticlabels(1) with boxes lc rgb \"#D55E00\" title \"hidden: between steps\", "
      << "$rows using 0:2 with boxes lc rgb \"#0072B2\" title \"t\\\\_epoch: after the fetch\", "
      << "$rows using 0:(104):(sprintf(\"%.3g s\", $3)) with labels font \",9\" notitle\n";
  return out.str();
}

}  // namespace millrace
