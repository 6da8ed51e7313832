#include "experiments/scalars.h"

#include <cctype>
#include <chrono>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace millrace {

void Scalars::epoch(const Json& record) {
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (!file_) {
    file_ = std::make_unique<EventFile>(folder_, now);
    if (resumed_at_) file_->restart(now, resumed_at_);
  }
  std::vector<std::pair<std::string, double>> points;
  const auto add = [&](const std::string& tag, const Json& value) {
    if (value.is_number()) points.emplace_back(tag, value.get<double>());  // Null: not finite, or not evaluated.
  };
  const auto of = [&](const char* key) { return record.value(key, Json()); };
  add("loss/train", of("loss"));
  add("loss/evaluation", of("evaluation_loss"));
  add("accuracy/evaluation", of("accuracy"));
  add("learning_rate", of("lr"));
  add("images_per_second", of("images_per_second"));
  const double wall = record.value("wall_seconds", 0.0);
  const Json phases = record.value("phases", Json::object());
  for (const auto& [name, seconds] : phases.items()) add("phase_seconds/" + name, seconds);
  if (wall > 0) points.emplace_back("wait_share", phases.value("wait", 0.0) / wall);
  add("seconds/train", of("wall_seconds"));
  add("seconds/evaluate", of("evaluate_seconds"));
  add("seconds/checkpoint", of("checkpoint_seconds"));
  file_->add(now, record.value("epoch", std::int64_t{0}), points);
}

std::string tensorboard_folder(const std::string& folder, const std::string& run) {
  std::string name = run.empty() ? "run" : run;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("-_.=,").find(c) == std::string_view::npos) c = '_';
  return (std::filesystem::path(folder) / "tensorboard" / name).string();
}

}  // namespace millrace
