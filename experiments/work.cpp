#include "experiments/work.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "experiments/grid.h"

namespace millrace {

double number_of(const Json& settings, const char* key, double otherwise) {
  const auto it = settings.find(key);
  return it != settings.end() && it->is_number() ? it->get<double>() : otherwise;
}

std::string value_or(const Json& settings, const std::string& key, const std::string& otherwise) {
  const auto it = settings.find(key);
  if (it == settings.end() || it->is_null()) return otherwise;
  if (!it->is_array()) return value_text(*it);
  std::string out;
  for (const Json& value : *it) out += (out.empty() ? "" : " or ") + value_text(value);
  return out;
}

std::vector<Work> works_of(const Json& settings) {
  std::vector<Work> out;
  Work base;
  base.ranks = std::max(1.0, number_of(settings, "ranks", 1));
  base.nodes = std::max(1.0, number_of(settings, "nodes", 1));
  base.images = number_of(settings, "images", 0);
  base.epochs = number_of(settings, "epochs", 0);
  // One process loads for all replicas of DataParallel.
  const double loaders = settings.value("mode", Json()) == "dp" ? 1 : base.ranks;
  base.workers = loaders * number_of(settings, "workers", 0);
  base.processes = loaders + base.workers;
  const bool drop_last = settings.value("drop_last", Json()) == true;
  for (const char* key : {"batch", "batch_per_rank", "batch_per_node"}) {
    const auto it = settings.find(key);
    if (it == settings.end()) continue;
    for (const Json& value : it->is_array() ? *it : Json::array({*it})) {
      if (!value.is_number() || value.get<double>() <= 0) continue;
      Work w = base;
      const std::string unit = key;
      w.batch = std::floor(value.get<double>() / (unit == "batch" ? w.ranks : unit == "batch_per_node" ? w.ranks / w.nodes : 1));
      if (w.batch < 1) continue;
      w.global_batch = w.batch * w.ranks;
      const double share = std::ceil(w.images / w.ranks);
      w.steps = drop_last ? std::floor(share / w.batch) : std::ceil(share / w.batch);
      w.trained = drop_last ? w.steps * w.global_batch : share * w.ranks;
      out.push_back(w);
    }
  }
  return out;
}

Scored scored_of(const Json& settings, const Work& w) {
  const double images = number_of(settings, "test_images", 0), share = std::ceil(images / w.ranks);
  const Json how = settings.value("validation", Json());
  if (how == "replicated") return {images, images * w.ranks};
  if (how == "sharded") return {images, share * w.ranks};
  if (how == "drop_last") {
    const double whole = std::floor(share / w.batch) * w.batch * w.ranks;
    return {std::min(images, whole), whole};
  }
  return {images, images};
}

}  // namespace millrace
