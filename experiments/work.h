#pragma once
#include <string>
#include <vector>

#include "experiments/json.h"

namespace millrace {

/// What a row's settings come to: how many images a rank takes a step, how many steps that makes. Counted in doubles, as they
/// go into quotients.
struct Work {
  double ranks = 1, nodes = 1;
  double batch = 0;         ///< Images a rank and step.
  double global_batch = 0;  ///< Images a step.
  double images = 0;        ///< An epoch, of the set.
  double steps = 0;         ///< An epoch: the slowest rank's.
  double trained = 0;       ///< Images an epoch that are trained on: without dropped ones, with padded ones.
  double epochs = 0;
  double workers = 0;    ///< Loader workers of all ranks.
  double processes = 0;  ///< Ranks and their workers.
  double optimizer_steps() const { return steps * epochs; }
};

/// One for each batch that the settings leave open (`batch = [32, 64]`); empty where they name none, or a rank's share is no batch.
/// Settings: images epochs ranks nodes workers drop_last mode, and batch (of all ranks), batch_per_rank or batch_per_node.
/// Steps: as a distributed sampler and loader make them, ceil(ceil(N/W)/b), or floor(ceil(N/W)/b) with drop_last.
std::vector<Work> works_of(const Json& settings);

/// How a test set is scored, from `validation`: exact, replicated (each rank all of it), sharded (padded to equal shards),
/// drop_last (whole batches only).
struct Scored {
  double images = 0;  ///< Distinct ones,
  double passes = 0;  ///< and all that ranks put through the model for them.
};
Scored scored_of(const Json& settings, const Work& work);

/// A setting as a number, or `otherwise`.
double number_of(const Json& settings, const char* key, double otherwise);
/// A setting as text ("32 or 64" for a list), or `otherwise`.
std::string value_or(const Json& settings, const std::string& key, const std::string& otherwise);

}  // namespace millrace
