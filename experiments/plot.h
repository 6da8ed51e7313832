#pragma once
#include <functional>
#include <string>
#include <vector>

#include "experiments/results.h"

namespace millrace {

/// The gnuplot program of a study's picture: images/s over the x axis (workers, where they vary), and below it where the
/// time of an image goes, as stacked bars: the trainer's phases, or the loader's stages. All its numbers are in it. `terminal` and `output`
/// are given on gnuplot's command line.
enum class Bars { phases, stages };
std::string plot_program(const std::vector<CellSummary>& cells, const std::string& title, Bars bars = Bars::phases);

/// Writes folder/plot.gp and runs gnuplot on it for plot.svg and plot.png. Returns the files written; warns where gnuplot
/// is missing or fails.
std::vector<std::string> write_plot(const std::string& folder, const std::vector<CellSummary>& cells, const std::string& title, Bars bars,
                                    const std::function<void(const std::string&)>& warn);

}  // namespace millrace
