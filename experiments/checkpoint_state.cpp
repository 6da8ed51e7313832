#include "experiments/checkpoint_state.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "experiments/opened.h"
#include "experiments/record_check.h"
#include "experiments/training.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr int kFormat = 1;
constexpr std::size_t kDeepest = 64;

double number(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

train::Phases phases_from(const Json& json) {
  return {number(json, "wait"),     number(json, "upload"), number(json, "forward"), number(json, "backward"),
          number(json, "reduce"),   number(json, "optimizer"), number(json, "other")};
}

/// Settings that leave batches and weights as they are, that the checkpoint itself compares (the batch), that it has taken the place of
/// (what the weights were at first), or that somebody may have to change to get on at all (what a bad sample means).
const std::set<std::string>& free_keys() {
  static const std::set<std::string> keys{
      "data.path", "data.test_path", "data.verify", "data.max_megapixels", "data.max_scans", "data.max_file_size", "data.batch", "data.batch_per_rank", "data.batch_per_node",
      "loader.workers", "loader.prefetch", "loader.on_bad_sample", "loader.max_bad", "loader.extra_us_per_image", "loader.memory", "loader.slot_memory", "loader.cache", "loader.jpeg",
      "train.weights", "train.fresh_head", "train.epochs", "train.steps", "train.evaluate_every", "train.evaluation_beside", "train.checkpoint_every", "train.checkpoint_every_steps",
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
  r.graph_steps += part.graph_steps;
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
          {"graph_steps", r.graph_steps},
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
  r.graph_steps = json.value("graph_steps", std::uint64_t{0}); // Older checkpoints have none.
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
          {"fingerprint", s.fingerprint},
          {"classes", s.classes},
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
    s.fingerprint = json.value("fingerprint", "");
    s.classes = json.value("classes", std::vector<std::string>());
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

std::string difference_of_classes(const std::vector<std::string>& theirs, const std::vector<std::string>& mine) {
  if (theirs.empty() || mine.empty() || theirs == mine) return {};
  if (theirs.size() != mine.size())
    return std::to_string(theirs.size()) + " classes there, " + std::to_string(mine.size()) + " here";
  const auto [a, b] = std::ranges::mismatch(theirs, mine);
  return "class " + std::to_string(a - theirs.begin()) + " is '" + *a + "' there, '" + *b + "' here";
}

void check_weights(const Spec& spec, const SourceInfo& source) {
  const train::TrainOptions& t = spec.train.options;
  if (t.weights.empty() || t.fresh_head) return;
  const std::filesystem::path state = std::filesystem::path(t.weights).parent_path() / "state.json";
  std::ifstream in(state);  // Other files say nothing of classes.
  std::string line;
  if (!in || !std::getline(in, line) || depth_of(line) > kDeepest) return;
  const Json json = Json::parse(line, nullptr, false);
  const Json classes = json.is_object() ? json.value("classes", Json()) : Json();
  if (!classes.is_array() || !std::ranges::all_of(classes, [](const Json& name) { return name.is_string(); })) return;
  const std::string differ = difference_of_classes(classes.get<std::vector<std::string>>(), class_names(source));
  if (differ.empty()) return;
  throw Error(ErrorKind::usage, "train.weights: " + t.weights + " was trained on other classes: " + differ + (source.path.empty() ? "" : " (" + source.path + ")"),
              "fresh_head = true leaves its classifier out; or train on the classes that it knows");
}

std::vector<std::string> check_same_run(const CheckpointState& state, const Spec& spec, const Source& source, std::uint64_t batch,
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
      if (key == "train.ranks" && mode_of(spec.train) != Mode::dp) return;  // Whoever started the ranks counts: check_resume says how many.
      changed.push_back(key + " " + text_of(a) + " (was " + text_of(b) + ")");
    });
  if (mine.value("augment", Json()) != state.spec.value("augment", Json()))
    other("augment", mine.value("augment", Json()), state.spec.value("augment", Json()));
  const SourceInfo& info = source.info();
  if (const std::string classes = difference_of_classes(state.classes, class_names(info)); !classes.empty())
    throw Error(ErrorKind::usage, place + ": of a run on other classes: " + classes + (info.path.empty() ? "" : " (" + info.path + ")"),
                "labels would change their meaning: resume on the classes it was trained on, or start in another folder (--out)");
  if (source.size() != state.samples) other("the data set's size", source.size(), state.samples);
  if (!state.fingerprint.empty() && info.fingerprint != state.fingerprint)
    changed.push_back("the data set's fingerprint " + info.fingerprint + " (was " + state.fingerprint + "): its files are others");
  if (batch != state.batch) other("the global batch", batch, state.batch);
  return changed;
}

}  // namespace millrace
