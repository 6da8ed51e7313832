#include "experiments/findings.h"

namespace millrace {

Findings detect(const FigureTable& table) {
  Findings out;
  for (const auto detector :
       {closed_books,   shared_window, identities,       contradictions, copied_cells, unequal_settings, batch_of_workers, unequal_work,
        hidden_parts,   noise,         broken_trends,    counts,         first_epochs, dead_rows,        implied_link,     break_even,
        learning_rates, warm_up,       norm_collectives, reused_folders, idle_keys,    utilisation,      arithmetic_rate})
    detector(table, out);
  return out;
}

std::string detector_name(const std::string& detector) {
  static const std::map<std::string, std::string> names{{"D1", "closed books"},     {"D2", "identity"},        {"D3", "copied cell"},
                                                        {"D4", "unequal settings"}, {"D5", "unequal work"},    {"D6", "hidden part"},
                                                        {"D7", "chance"},           {"D8", "counts"},          {"D9", "first epoch"},
                                                        {"D10", "not learning"},    {"D11", "a worker's time"}};
  const auto it = names.find(detector);
  return it == names.end() ? detector : it->second;
}

}  // namespace millrace
