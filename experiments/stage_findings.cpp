#include <algorithm>

#include "experiments/measured.h"
#include "experiments/own_findings.h"
#include "experiments/terminal.h"

namespace millrace {
std::optional<Finding> judge_stages(const std::vector<CellSummary>& cells) {
  double read = 0, decode = 0, augment = 0;
  const CellSummary *most = nullptr, *least = nullptr;
  const auto share = [](const CellSummary& s) {
    double sum = 0;
    for (const auto& [name, us] : s.stage_us_per_image) sum += us;
    return s.stage_us_per_image[2].second / sum;
  };
  // Encoded pictures only. Several workers may share a core, and would count its waits as work: one thread is taken where it was run.
  const auto fits = [](const CellSummary& s) {
    return !s.stage_us_per_image.empty() && s.stage_us_per_image[0].second > 0 && s.wait_share >= 0.5;
  };
  const bool single = std::any_of(cells.begin(), cells.end(), [&](const CellSummary& s) { return fits(s) && s.workers <= 1; });
  std::size_t n = 0;
  for (const CellSummary& s : cells) {
    if (!fits(s) || (single && s.workers > 1)) continue;
    read += s.stage_us_per_image[0].second;
    decode += s.stage_us_per_image[1].second;
    augment += s.stage_us_per_image[2].second;
    if (!most || share(s) > share(*most)) most = &s;
    if (!least || share(s) < share(*least)) least = &s;
    ++n;
  }
  if (!n) return {};
  const auto mean = [&](double sum) { return significant(sum / double(n), 3); };
  const auto at = [&](const CellSummary& s) { return fixed(100 * share(s), 0) + " % (" + own_label(s) + ")"; };
  return Finding{"D11", "an image takes a worker " + mean(read) + " us to read, " + mean(decode) + " to decode and " + mean(augment) +
                            " to augment (means over " + std::to_string(n) + (single ? " cells of one thread" : " cells") +
                            "); augmenting is " + at(*least) + " to " + at(*most) +
                            " of a worker's time. Reading and decoding alone would give " + grouped(1e6 * double(n) / (read + decode)) +
                            " images/s a worker: that is what no work on augmentation moves."};
}

}  // namespace millrace
