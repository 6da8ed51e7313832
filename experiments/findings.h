#pragma once
#include <string>
#include <vector>

#include "experiments/figures.h"

namespace millrace {

/// One thing that the numbers say, and the detector that says it.
struct Finding {
  std::string detector;  ///< "D1", or a word where it has no number.
  std::string text;      ///< Sentences made of values: row, expected, printed.
};
using Findings = std::vector<Finding>;

// Each detector runs on any table, published or our own, and adds what it finds; nothing where the table lacks its columns.
// Text in these sentences is fixed, numbers and names are not: take a figure away and its sentence goes, change it and so does it.

void closed_books(const FigureTable& table, Findings& out);      ///< D1: parts of a step x steps against the wall; workers' bound.
void shared_window(const FigureTable& table, Findings& out);     ///< D1: a step's window that waits for other ranks.
void identities(const FigureTable& table, Findings& out);        ///< D2: n x t_batch = t_epoch; rate x time = images; classes.
void contradictions(const FigureTable& table, Findings& out);    ///< D2: one setting, two outcomes.
void copied_cells(const FigureTable& table, Findings& out);      ///< D3: equal in every digit, and which of them breaks D2.
void unequal_settings(const FigureTable& table, Findings& out);  ///< D4: what else differs where two rows are compared.
void unequal_work(const FigureTable& table, Findings& out);      ///< D5: compared at equal b, not at equal G, or not over equal steps.
void hidden_parts(const FigureTable& table, Findings& out);      ///< D6: what a metric leaves out of the wall.
void noise(const FigureTable& table, Findings& out);             ///< D7: one run a cell; repetitions; what chance explains.
void broken_trends(const FigureTable& table, Findings& out);     ///< D7: "falls along" that does not.
void counts(const FigureTable& table, Findings& out);            ///< D8: images scored, trained, doubled, averaged over ranks.
void first_epochs(const FigureTable& table, Findings& out);      ///< D9: a first epoch off the rest, or used as a rate.
void dead_rows(const FigureTable& table, Findings& out);         ///< D10: at chance, or a loss that is no number.

// Without a number: arithmetic that one study needs, for any table that has its columns.
void implied_link(const FigureTable& table, Findings& out);      ///< Extra time a step as bytes over a link.
void batch_of_workers(const FigureTable& table, Findings& out);  ///< Images a second a worker: does the gain follow the workers?
void break_even(const FigureTable& table, Findings& out);        ///< From which batch on more ranks would pay.
void learning_rates(const FigureTable& table, Findings& out);    ///< Against the linear and the square-root rule.
void warm_up(const FigureTable& table, Findings& out);           ///< Factors, and a stop inside it.
void norm_collectives(const FigureTable& table, Findings& out);  ///< What SyncBN adds to a step.
void reused_folders(const FigureTable& table, Findings& out);    ///< Two runs, one folder, weights loaded from it.
void idle_keys(const FigureTable& table, Findings& out);         ///< A setting without effect.
void utilisation(const FigureTable& table, Findings& out);       ///< Busy counters against the work done.
void arithmetic_rate(const FigureTable& table, Findings& out);   ///< How fast the machine computed.

/// All of them, in this order.
Findings detect(const FigureTable& table);

/// "closed books" of "D1"; the word itself where a detector has no number.
std::string detector_name(const std::string& detector);

}  // namespace millrace
