#pragma once
#include <span>
#include <string>
#include <vector>

#include "experiments/json.h"
#include "pipeline/loader.h"
#include "train/api.h"

namespace millrace {

/// From this much over the median of the others on, a rank is named.
constexpr double kSlowRank = 1.2;

/// Ranks that held the others up in an epoch: {rank, times, phase}, and with the phase `wait` the `stage` that its loader's time went
/// into. `times` is the rank's median step over the median of the others', first without waiting (a slow device: `phase` is where most
/// of the difference lies), then with it (a slow loader). What a rank spends in `reduce` is others' slowness and never counts.
/// `stages`: the busiest stage of each rank's loader, by rank.
Json slow_ranks(std::span<const train::RankResult> ranks, const std::vector<std::string>& stages);

/// ", rank 1 took 1.31 times as long as the others (forward)"; empty where the record names none.
std::string slow_ranks_text(const Json& epoch);

/// Where most of the workers' time went: "decode". Empty: nothing was loaded.
std::string busiest_stage(const LoaderReport& report);

}  // namespace millrace
