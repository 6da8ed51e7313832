#include "experiments/plot.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "experiments/gnuplot.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

// Colour-blind safe (Okabe and Ito, 2008), one a phase: waiting stands out against the work.
const std::map<std::string, const char*> kColours{{"wait", "#D55E00"},     {"upload", "#CC79A7"},      {"forward", "#56B4E9"},
                                                  {"backward", "#0072B2"}, {"reduce", "#999999"},      {"optimizer", "#009E73"},
                                                  {"other", "#F0E442"},    {"unaccounted", "#000000"}, {"read", "#CC79A7"},
                                                  {"decode", "#0072B2"},   {"augment", "#009E73"}};
const char* const kLines[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999"};

std::size_t longest_line(const std::string& label) {
  std::size_t longest = 0;
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 2) {
    end = label.find(", ", begin);
    longest = std::max(longest, std::min(end, label.size()) - begin);
  }
  return longest;
}
std::size_t lines_of(const std::string& label) { return 1 + static_cast<std::size_t>(std::count(label.begin(), label.end(), ',')); }
/// A cell's label with one axis a line: side by side they would run into one another.
std::string stacked(const std::string& label) {
  std::string out = gnuplot_text(label);
  for (std::size_t at = 0; (at = out.find(", ", at)) != std::string::npos;) out.replace(at, 2, "\\n");
  return out;
}

/// The axis along x: workers where they vary, otherwise the first that does.
std::string x_axis(const std::vector<CellSummary>& cells) {
  std::string first;
  for (const auto& [key, value] : cells.front().cell) {
    const bool varies = std::any_of(cells.begin(), cells.end(), [&, k = &key, v = &value](const CellSummary& s) {
      return std::any_of(s.cell.begin(), s.cell.end(), [&](const auto& pair) { return pair.first == *k && pair.second != *v; });
    });
    if (varies && key == "loader.workers") return key;
    if (varies && first.empty()) first = key;
  }
  return first.empty() && !cells.front().cell.empty() ? cells.front().cell.front().first : first;
}

struct Group {
  std::string label;
  std::vector<const CellSummary*> cells;
};
std::vector<Group> groups_of(const std::vector<CellSummary>& cells, const std::string& x) {
  std::vector<Group> groups;
  for (const CellSummary& cell : cells) {
    if (cell.runs.empty()) continue;
    const std::string label = cell_label(cell.cell, x);
    auto it = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.label == label; });
    if (it == groups.end()) it = groups.insert(groups.end(), Group{label, {}});
    it->cells.push_back(&cell);
  }
  return groups;
}

std::string x_value(const CellSummary& cell, const std::string& x) {
  for (const auto& [key, value] : cell.cell)
    if (key == x) return value_text(value);
  return "";
}

const std::vector<std::pair<std::string, double>>& parts_of(const CellSummary& cell, Bars bars) {
  return bars == Bars::stages ? cell.stage_us_per_image : cell.us_per_image;
}

/// Parts that are at least a thousandth of some bar.
std::vector<std::string> visible_parts(const std::vector<CellSummary>& cells, Bars bars) {
  std::vector<std::string> out;
  for (const auto& [name, value] : parts_of(cells.front(), bars)) {
    const bool visible = std::any_of(cells.begin(), cells.end(), [&, n = &name](const CellSummary& s) {
      double sum = 0, mine = 0;
      for (const auto& [other, us] : parts_of(s, bars)) sum += us, mine += other == *n ? us : 0;
      return mine > 1e-3 * sum;
    });
    if (visible) out.push_back(name);
  }
  return out;
}

double part_us(const CellSummary& cell, const std::string& name, Bars bars) {
  for (const auto& [n, us] : parts_of(cell, bars))
    if (n == name) return std::max(0.0, us);
  return 0;
}

/// As many pixels as the labels below and above the columns need side by side.
int plot_width(const std::vector<CellSummary>& all) {
  std::vector<CellSummary> cells;
  std::copy_if(all.begin(), all.end(), std::back_inserter(cells), [](const CellSummary& s) { return !s.runs.empty(); });
  const std::string x = x_axis(cells);
  const auto groups = groups_of(cells, x);
  double column = 45;
  for (const auto& group : groups) {
    for (const CellSummary* cell : group.cells) column = std::max(column, 9.0 * double(x_value(*cell, x).size()));
    column = std::max(column, 7.5 * double(longest_line(group.label)) / double(group.cells.size() + 1));
  }
  return static_cast<int>(std::clamp(300 + column * double(cells.size() + groups.size() - 1), 760.0, 2600.0));
}

}  // namespace

std::string plot_program(const std::vector<CellSummary>& all, const std::string& title, Bars kind) {
  std::vector<CellSummary> cells;
  std::copy_if(all.begin(), all.end(), std::back_inserter(cells), [](const CellSummary& s) { return !s.runs.empty(); });
  if (cells.empty()) return {};
  const std::string x = x_axis(cells);
  const auto groups = groups_of(cells, x);
  const auto phases = visible_parts(cells, kind);
  std::ostringstream data, rates, bars, ticks;
  double top = 0;
  int column = 0;
  std::size_t label_lines = 1;
  // One column a cell, a gap between groups; both panels share it.
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const int begin = column;
    for (const CellSummary* cell : groups[g].cells) {
      const Spread& r = cell->images_per_second;
      data << column << " " << r.median << " " << r.low << " " << r.high;
      for (const std::string& phase : phases) data << " " << part_us(*cell, phase, kind);
      data << " " << gnuplot_text(grouped(r.median)) << "\n";
      ticks << (column ? ", " : "") << gnuplot_text(x_value(*cell, x)) << " " << column;
      top = std::max(top, r.high);
      ++column;
    }
    data << "\n\n";
    rates << "set label " << g + 1 << " " << stacked(groups[g].label) << " at first " << (begin + column - 1) / 2.0
          << ", graph 1.0 offset 0," << 0.9 * double(lines_of(groups[g].label)) << " center font \",10\"\n";
    label_lines = std::max(label_lines, lines_of(groups[g].label));
    if (g + 1 < groups.size()) ticks << ", \"\" " << column++;
  }
  std::ostringstream lines;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    lines << (g ? ", " : "") << "$cells index " << g << " using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb \""
          << kLines[g % std::size(kLines)] << "\" notitle, "
          << "$cells index " << g << " using 1:2:" << 5 + phases.size() << " with labels offset 0,1 font \",9\" notitle";
  }
  // Stacked by hand: the tallest sum is drawn first, so that each colour shows its own part.
  for (std::size_t p = phases.size(); p-- > 0;) {
    std::string sum;
    for (std::size_t k = 0; k <= p; ++k) sum += (k ? "+" : "") + std::string("$") + std::to_string(5 + k);
    bars << (p + 1 < phases.size() ? ", " : "") << "$cells using 1:(" << sum << ") with boxes lc rgb \"" << kColours.at(phases[p])
         << "\" title " << gnuplot_text(phases[p]);
  }
  std::ostringstream out;
  out << "# Made by `millrace report` from results.jsonl. gnuplot -e \"set terminal pngcairo size 1000,760; set output 'plot.png'\" "
         "plot.gp\n"
      << "$cells << EOD\n"
      << data.str() << "EOD\n"
      << "set multiplot layout 2,1 title " << gnuplot_text(title) << " font \",14\"\n"
      << "set lmargin 11; set rmargin 16; set tmargin " << 1.5 + double(label_lines) << "; set bmargin 2\n"
      << "set xrange [-0.6:" << column - 0.4 << "]\nset xtics (" << ticks.str() << ") nomirror scale 0\n"
      << "set grid ytics lc rgb \"#DDDDDD\"; set border 3; set ytics nomirror; set format y \"%.0f\"\n"
      << "set ylabel \"images/s\"; set yrange [0:" << top * 1.2 << "]\n"
      << rates.str() << "plot " << lines.str() << "\nunset label; set tmargin 1.5\n"
      << "set ylabel \"µs " << (kind == Bars::stages ? "of a worker " : "")
      << "an image\"; set yrange [0:*]; set format y \"%g\"; set bmargin 3.5\n"
      << "set xlabel " << gnuplot_text(axis_name(x))
      << "\nset boxwidth 0.7; set style fill solid 1.0 noborder\nset key at screen 0.99, screen 0.44 right top vertical invert samplen 1 "
         "width -2\n"
      << "plot " << bars.str() << "\nunset multiplot\n";
  return out.str();
}

std::vector<std::string> write_plot(const std::string& folder, const std::vector<CellSummary>& cells, const std::string& title, Bars bars,
                                    const std::function<void(const std::string&)>& warn) {
  const std::string program = plot_program(cells, title, bars);
  if (program.empty()) return {};
  return write_pictures(folder, "plot", program, plot_width(cells), 760, warn);
}

}  // namespace millrace
