#pragma once
#include <string>

#include "experiments/figures.h"

namespace millrace {

/// gnuplot: the last accuracy against the batch, once by global batch G and once by b, images a rank: what looks like an effect of
/// ranks at equal b is the batch's where the lines fall together at equal G. One line a number of ranks; filled: `ours`, open:
/// `published`. Either may be empty. Empty where neither has accuracies over more than one batch.
std::string batch_plot(const FigureTable& published, const FigureTable& ours);

/// gnuplot: what share of an epoch's wall the metric t_epoch shows and hides, a bar a row. Empty where no row has both.
std::string hidden_plot(const FigureTable& table);

}  // namespace millrace
