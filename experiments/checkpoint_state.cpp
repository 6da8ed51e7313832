#include "experiments/checkpoint_state.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "experiments/training.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr int kFormat = 1;

double number(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

train::Phases phases_from(const Json& json) {
  return {number(json, "wait"),     number(json, "upload"), number(json, "forward"), number(json, "backward"),
          number(json, "reduce"),   number(json, "optimizer"), number(json, "other")};
}

/// Settings that leave batches and weights as they are, or that the checkpoint itself compares (the batch).
const std::set<std::string>& free_keys() {
  static const std::set<std::string> keys{
      "data.path", "data.test_path", "data.verify", "data.max_megapixels", "data.max_scans", "data.max_file_size", "data.batch", "data.batch_per_rank", "data.batch_per_node",
      "loader.workers", "loader.prefetch", "loader.extra_us_per_image", "loader.memory", "loader.slot_memory", "loader.cache",
      "train.epochs", "train.steps", "train.evaluate_every", "train.evaluation_beside", "train.checkpoint_every", "train.checkpoint_every_steps",
      "train.keep_checkpoints", "train.device", "train.threads", "train.ranks", "train.processes", "train.mode", "train.sync",
      "train.bucket_mb", "train.peer_timeout", "train.on_nonfinite", "train.step_microseconds"};
  return keys;
}

std::string text_of(const Json& value) { return value.is_null() ? "not set" : value.dump(); }

/// Calls `differs(key, mine, theirs)` for every key of two tables that is not equal. A key that an older version did not know had its default.
template <class F>
void compare(const std::string& table, const Json& mine, const Json& theirs, const Json& defaults, F&& differs) {
  std::set<std::string> keys;
  for (const auto* side : {&mine, &theirs})
    if (side->is_object())
      for (const auto& [key, value] : side->items()) keys.insert(key);
  const auto at = [](const Json& json, const std::string& key) { return json.is_object() && json.contains(key) ? json[key] : Json(); };
  for (const std::string& key : keys)
    if (const Json a = at(mine, key), b = at(theirs, key); a != b && !(b.is_null() && a == at(defaults, key))) differs(table + "." + key, a, b);
}

}  // namespace

void EpochSums::add(const train::EpochResult& part) {
  train::EpochResult& r = result_;
  if (part.steps) r.epoch = part.epoch; // A part without steps saw no batch that says it.
  r.complete = part.complete;
  r.steps += part.steps;
  r.images += part.images;
  r.wall_seconds += part.wall_seconds;
  r.phases += part.phases;
  r.unaccounted_seconds += part.unaccounted_seconds;
  r.reduce_hidden_seconds += part.reduce_hidden_seconds;
  r.stop_requested = part.stop_requested;
  if (r.ranks.size() != part.ranks.size()) r.ranks.assign(part.ranks.size(), {});
  // Of parts' medians the mean, by their steps; what was before a resume is not in the ranks.
  const double steps = static_cast<double>(std::max<std::uint64_t>(1, r.steps - resumed_after)), share = static_cast<double>(part.steps) / steps;
  for (std::size_t i = 0; i < part.ranks.size(); ++i) {
    train::RankResult& rank = r.ranks[i];
    const train::RankResult& more = part.ranks[i];
    rank.rank = more.rank;
    rank.device = more.device;
    rank.images += more.images;
    rank.wall_seconds += more.wall_seconds;
    rank.unaccounted_seconds += more.unaccounted_seconds;
    rank.phases += more.phases;
    rank.reduce_hidden_seconds += more.reduce_hidden_seconds;
    rank.step_busy_seconds += share * (more.step_busy_seconds - rank.step_busy_seconds);
    rank.step_own_seconds += share * (more.step_own_seconds - rank.step_own_seconds);
  }
  r.loss_sum += part.loss_sum;
  r.loss = r.images ? r.loss_sum / static_cast<double>(r.images) : 0;
  r.digest += part.digest;
  r.weights_norm = part.weights_norm;
  if (part.steps) r.lr = part.lr;
}

Json EpochSums::to_json() const {
  const train::EpochResult& r = result_;
  return {{"steps", r.steps},
          {"images", r.images},
          {"loss_sum", finite(r.loss_sum)},
          {"digest", r.digest},
          {"wall_seconds", r.wall_seconds},
          {"unaccounted_seconds", r.unaccounted_seconds},
          {"reduce_hidden_seconds", r.reduce_hidden_seconds},
          {"phases", millrace::to_json(r.phases)},
          {"complete", r.complete},
          {"weights_norm", finite(r.weights_norm)},
          {"lr", r.lr},
          {"checkpoint_seconds", checkpoint_seconds}};
}

EpochSums EpochSums::from_json(const Json& json, std::uint32_t epoch) {
  EpochSums out;
  train::EpochResult& r = out.result_;
  r.epoch = epoch;
  r.steps = json.at("steps").get<std::uint64_t>();
  r.images = json.at("images").get<std::uint64_t>();
  r.loss_sum = number(json, "loss_sum");
  r.digest = json.at("digest").get<std::uint64_t>();
  r.wall_seconds = number(json, "wall_seconds");
  r.unaccounted_seconds = number(json, "unaccounted_seconds");
  r.reduce_hidden_seconds = number(json, "reduce_hidden_seconds");
  r.phases = phases_from(json.at("phases"));
  out.checkpoint_seconds = number(json, "checkpoint_seconds");
  r.complete = json.at("complete").get<bool>();
  r.weights_norm = number(json, "weights_norm");
  r.lr = number(json, "lr");
  r.loss = r.images ? r.loss_sum / static_cast<double>(r.images) : 0;
  out.resumed_after = r.steps;
  return out;
}

Json to_json(const CheckpointState& s) {
  return {{"format", kFormat},
          {"run", s.run},
          {"written", now_utc()},
          {"loader", {{"seed", s.loader_seed}, {"epoch", s.epoch}, {"position", s.position}}},
          {"batch", s.batch},
          {"samples", s.samples},
          {"world_size", s.world_size},
          {"evaluations_at_target", s.reached},
          {"device", s.device},
          {"epoch_so_far", s.sums.to_json()},
          {"versions", s.versions},
          {"spec_digest", s.spec_digest},
          {"spec", s.spec}};
}

CheckpointState checkpoint_state(const Json& json, const std::string& place) {
  try {
    CheckpointState s;
    if (const int format = json.at("format").get<int>(); format != kFormat)
      throw Error(ErrorKind::data, place + ": format " + std::to_string(format) + " of checkpoints is not known here",
                  "resume with the version that wrote it");
    s.run = json.at("run").get<std::string>();
    const Json& loader = json.at("loader");
    s.loader_seed = loader.at("seed").get<std::uint64_t>();
    s.epoch = loader.at("epoch").get<std::uint32_t>();
    s.position = loader.at("position").get<std::uint64_t>();
    s.batch = json.at("batch").get<std::uint64_t>();
    s.samples = json.at("samples").get<std::uint64_t>();
    s.world_size = json.at("world_size").get<int>();
    s.reached = json.at("evaluations_at_target").get<std::uint32_t>();
    s.device = json.at("device").get<std::string>();
    s.sums = EpochSums::from_json(json.at("epoch_so_far"), s.epoch);
    s.versions = json.at("versions");
    s.spec_digest = json.at("spec_digest").get<std::string>();
    s.spec = json.at("spec");
    return s;
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::data, place + ": " + e.what());
  }
}

std::vector<std::string> check_same_run(const CheckpointState& state, const Spec& spec, std::uint64_t samples, std::uint64_t batch,
                                        const std::string& place) {
  const auto other = [&](const std::string& what, const Json& mine, const Json& theirs) {
    throw Error(ErrorKind::usage, place + ": of another run: " + what + " is " + text_of(theirs) + " there, " + text_of(mine) + " here",
                "resume with the settings it was written with, or start in another folder (--out)");
  };
  std::vector<std::string> changed;
  const Json mine = to_json(spec), defaults = to_json(Spec());
  const train::ScheduleKind schedule = spec.train.options.schedule.kind;
  const bool rate_ends_with_run = schedule == train::ScheduleKind::cosine || schedule == train::ScheduleKind::one_cycle;
  for (const char* table : {"data", "loader", "train"})
    compare(table, mine.value(table, Json()), state.spec.value(table, Json()), defaults.value(table, Json()), [&](const std::string& key, const Json& a, const Json& b) {
      const bool is_length = key == "train.epochs" || key == "train.steps";
      if (!free_keys().contains(key) || (is_length && rate_ends_with_run)) other(key, a, b);
      changed.push_back(key + " " + text_of(a) + " (was " + text_of(b) + ")");
    });
  if (mine.value("augment", Json()) != state.spec.value("augment", Json()))
    other("augment", mine.value("augment", Json()), state.spec.value("augment", Json()));
  if (samples != state.samples) other("the data set's size", samples, state.samples);
  if (batch != state.batch) other("the global batch", batch, state.batch);
  return changed;
}

}  // namespace millrace
