#include "experiments/compare_plan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "pipeline/error.h"

namespace millrace {
namespace {

[[noreturn]] void no_word(const AugmentSpec& step, const std::string& what, const std::string& hint) {
  throw Error(ErrorKind::usage, step.place + ": the DataLoader side cannot do " + (step.op.empty() ? step.recipe : step.op) + what, hint);
}

bool is_false(const Json& step, const char* key) { return step.contains(key) && step[key] == false; }

/// What the step's keys ask for beyond its counterpart.
void check_keys(const AugmentSpec& step, const Json& keys) {
  const std::string switch_off = "leave it out: --set augment." + step.name + "=false";
  if (is_false(keys, "antialias") && keys.value("interpolation", "") != "nearest")
    no_word(step, " without antialias: Pillow's resize always has it", "antialias = true");
  if (keys.value("fit", "stretch") != "stretch") no_word(step, " with fit = \"" + keys["fit"].get<std::string>() + "\"", "fit = \"stretch\", or shorter");
  if (keys.value("small_images", false)) no_word(step, " with small_images", "small_images = false");
  if (step.op == "random_erasing") {
    if (keys.value("timm", false)) no_word(step, " as timm draws it, outside of a timm recipe", "timm = false, or recipe = \"timm-train\"");
    if (keys.value("max_count", 1) != 1) no_word(step, " with max_count", switch_off);
    if (keys.value("value", "const") != "const") no_word(step, " with value = \"" + keys["value"].get<std::string>() + "\"", "value = \"const\"");
  }
}

/// Pictures are transformed first, then become tensors, then are normalised, then erased: the only order that torchvision's transforms have.
void check_order(const std::vector<const AugmentSpec*>& steps, Dtype dtype) {
  bool normalized = false, ended = false;
  for (const AugmentSpec* step : steps) {
    if (ended) no_word(*step, " after a recipe, which ends with its normalisation", "put it before the recipe");
    if (!step->recipe.empty()) {
      ended = true;
    } else if (step->op == "normalize") {
      if (normalized) no_word(*step, " twice", "keep one of them");
      normalized = true;
    } else if (step->op == "random_erasing") {
      if (dtype == Dtype::u8) no_word(*step, " on u8 rows: torchvision erases tensors of floats", "data.dtype = \"f32\"");
    } else if (normalized) {
      no_word(*step, " after normalize: pictures are transformed before they become tensors", "put normalize last");
    }
  }
}

std::vector<const AugmentSpec*> enabled(const Spec& spec) {
  std::vector<const AugmentSpec*> out;
  for (const AugmentSpec& step : spec.augment)
    if (step.enabled) out.push_back(&step);
  return out;
}

void write(const std::string& path, const auto& fill) {
  std::ofstream out(path, std::ios::binary);
  fill(out);
  out.close();
  if (!out) throw Error(ErrorKind::data, path + " cannot be written", "set TMPDIR to a folder with room for the set's pixels");
}

}  // namespace

Json dataloader_plan(const Spec& spec, const SourceInfo& source) {
  const std::vector<const AugmentSpec*> steps = enabled(spec);
  check_order(steps, spec.data.dtype);
  const Json settings = to_json(spec);
  for (std::size_t i = 0; i < steps.size(); ++i) check_keys(*steps[i], settings["augment"][i]);
  const auto refuse = [](bool used, const std::string& key, const std::string& hint) {
    if (used) throw Error(ErrorKind::usage, "the DataLoader side cannot do " + key, hint);
  };
  refuse(spec.loader.extra_us_per_image > 0, "loader.extra_us_per_image", "set it to 0");
  refuse(!spec.data.extra_us_per_read.empty(), "data.extra_us_per_read", "leave it out");
  refuse(spec.loader.cache != CacheKind::none, "loader.cache", "set it to \"none\"");
  return {{"augment", settings["augment"]},
          {"batch", spec.data.batch},
          {"channels", source.channels},
          {"height", source.raw_size.height},
          {"width", source.raw_size.width},
          {"dtype", spec.data.dtype == Dtype::f32 ? "f32" : "u8"},
          {"layout", spec.data.layout == Layout::nchw ? "nchw" : "nhwc"},
          {"exif_orientation", spec.data.exif_orientation},
          {"sampler", spec.loader.sampler == Sampler::shuffled ? "shuffled" : "sequential"},
          {"seed", spec.loader.seed},
          {"workers", spec.loader.workers},
          {"prefetch", spec.loader.prefetch}};
}

std::vector<std::string> dataloader_recipes(const Spec& spec, const SourceInfo& source) {
  std::vector<std::string> out{"usual"};
  const std::vector<const AugmentSpec*> steps = enabled(spec);
  const bool plain = std::all_of(steps.begin(), steps.end(), [](const AugmentSpec* step) { return step->op == "normalize"; });
  if (plain && !(source.raw_size == Size{})) out.emplace_back("batched");
  return out;
}

void give_samples(const Source& source, const std::string& root, const std::string& folder, Json& plan) {
  Buffer scratch;
  if (source.info().raw_size == Size{}) {
    // Reading a sample only for its label would read the whole set: its class is the first folder below the root.
    const auto& classes = source.info().classes;
    plan["files"] = plan["labels"] = Json::array();
    for (std::uint64_t i = 0; i < source.size(); ++i) {
      const std::filesystem::path path = source.origin(i);
      const std::string name = path.lexically_relative(root).begin()->string();
      plan["files"].push_back(std::filesystem::absolute(path).string());
      plan["labels"].push_back(std::find(classes.begin(), classes.end(), name) - classes.begin());
    }
    return;
  }
  std::vector<std::int64_t> labels;
  plan["pixels_file"] = folder + "/pixels";
  plan["labels_file"] = folder + "/labels";
  write(folder + "/pixels", [&](std::ofstream& out) {
    for (std::uint64_t i = 0; i < source.size(); ++i) {
      const Expected<Sample> sample = source.read(i, scratch);
      if (!sample) throw Error(ErrorKind::data, source.origin(i) + ": " + sample.error().detail);
      const ImageView& p = sample->pixels;
      for (int y = 0; y < p.height; ++y) out.write(reinterpret_cast<const char*>(p.row(y)), std::streamsize(p.width) * p.channels);
      labels.push_back(sample->label);
    }
  });
  write(folder + "/labels", [&](std::ofstream& out) {
    out.write(reinterpret_cast<const char*>(labels.data()), static_cast<std::streamsize>(labels.size() * sizeof(std::int64_t)));
  });
}

double training_seconds(double images, const Side& loader, const Side& step, int workers, int cores) {
  if (loader.images_per_second <= 0 || step.images_per_second <= 0) return 0;
  if (workers == 0) return images * (1 / loader.images_per_second + 1 / step.images_per_second);
  const double shared = (loader.cpu_seconds_per_image + step.cpu_seconds_per_image) / std::max(1, cores);
  return images * std::max({1 / loader.images_per_second, 1 / step.images_per_second, shared});
}

}  // namespace millrace
