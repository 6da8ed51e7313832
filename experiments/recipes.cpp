#include "experiments/recipes.h"

#include <cmath>
#include <cstdlib>

#include "experiments/operations.h"
#include "experiments/step_keys.h"

namespace millrace {
namespace {

using namespace augment;
using namespace step_keys;

using Operations = std::vector<Operation>;
using Policy = TorchvisionTrainRecipe::Policy;

void statistics(Keys& keys, Rgb& mean, Rgb& std) {
  rgb(keys, "mean", mean, -1e6, 1e6);
  rgb(keys, "std", std, 1e-9, 1e6);
}

void side(Keys& keys, const char* name, int& value) { keys.whole(name, value, 1, 16384); }

void keys_of(Keys& keys, Operation& operation) { visit(keys, operation); }

void keys_of(Keys& keys, TimmTrainRecipe& r) {
  TimmTrainOptions& o = r.options;
  size(keys, o.size);
  range(keys, "scale", o.scale, 1e-6, 1);
  range(keys, "ratio", o.ratio, 1e-3, 1e3);
  keys.number("hflip", o.hflip, 0, 1);
  keys.number("vflip", o.vflip, 0, 1);
  keys.text("auto_augment", o.auto_augment, {});
  filter_or_random(keys, o.filter, o.random_filter, warp_filters());
  keys.boolean("antialias", o.antialias);
  std::vector<double> jitter = o.color_jitter.empty() ? std::vector<double>{0} : o.color_jitter;
  keys.numbers("color_jitter", jitter, {1, 3, 4}, 0, 1e3);
  o.color_jitter = jitter == std::vector<double>{0} ? std::vector<double>{} : jitter;
  keys.boolean("force_color_jitter", o.force_color_jitter);
  keys.number("grayscale_prob", o.grayscale_prob, 0, 1);
  keys.number("re_prob", o.re_prob, 0, 1);
  erasing_value(keys, "re_mode", o.re_mode);
  keys.whole("re_count", o.re_count, 1, Draw::kMaxOps);
  keys.boolean("small_images", o.small_images);
  statistics(keys, o.mean, o.std);
  keys.number("crop_pct", r.crop_pct, 1e-3, 1);
}

void keys_of(Keys& keys, TimmEvalOptions& o) {
  size(keys, o.size);
  keys.number("crop_pct", o.crop_pct, 1e-3, 1);
  keys.choice<TimmCropMode>("crop_mode", o.crop_mode,
                            {{"center", TimmCropMode::center}, {"squash", TimmCropMode::squash}, {"border", TimmCropMode::border}});
  keys.choice("interpolation", o.filter, warp_filters());
  keys.boolean("small_images", o.small_images);
  statistics(keys, o.mean, o.std);
}

void keys_of(Keys& keys, TorchvisionTrainRecipe& r) {
  side(keys, "size", r.size);
  range(keys, "scale", r.scale, 1e-6, 1);
  range(keys, "ratio", r.ratio, 1e-3, 1e3);
  keys.choice("interpolation", r.filter, warp_filters());
  keys.boolean("antialias", r.antialias);
  keys.number("hflip", r.hflip, 0, 1);
  keys.choice<Policy>("auto_augment", r.auto_augment,
                      {{"none", Policy::none},
                       {"ra", Policy::ra},
                       {"ta_wide", Policy::ta_wide},
                       {"imagenet", Policy::imagenet},
                       {"cifar10", Policy::cifar10},
                       {"svhn", Policy::svhn}});
  keys.whole("ra_magnitude", r.ra_magnitude, 0, 30);
  keys.number("re_prob", r.re_prob, 0, 1);
  statistics(keys, r.mean, r.std);
}

void keys_of(Keys& keys, TorchvisionEvalOptions& o) {
  side(keys, "size", o.size);
  side(keys, "resize", o.resize);
  keys.choice("interpolation", o.filter, warp_filters());
  statistics(keys, o.mean, o.std);
}

Operations evaluation_of(const TimmTrainRecipe& r) {
  const TimmTrainOptions& o = r.options;
  // timm evaluates with the model's filter, which is bicubic, where training draws one.
  return timm_eval({.size = o.size,
                    .crop_pct = r.crop_pct,
                    .filter = o.random_filter ? Filter::bicubic : o.filter,
                    .mean = o.mean,
                    .std = o.std,
                    .small_images = o.small_images});
}

Operations evaluation_of(const TorchvisionTrainRecipe& r) {
  // The references take 256 for 224, and their published weights keep that ratio at other sizes.
  return torchvision_eval(
      {.size = r.size, .resize = static_cast<int>(std::lround(r.size * 256 / 224.0)), .filter = r.filter, .mean = r.mean, .std = r.std});
}

void add_policy(Operations& list, const TorchvisionTrainRecipe& r) {
  const auto with = [&](AutoAugment::Policy policy) { list.push_back(AutoAugment{.policy = policy, .filter = r.filter}); };
  switch (r.auto_augment) {
    case Policy::none:
      break;
    case Policy::ra:
      list.push_back(RandAugment{.magnitude = r.ra_magnitude, .filter = r.filter});
      break;
    case Policy::ta_wide:
      list.push_back(TrivialAugmentWide{.filter = r.filter});
      break;
    case Policy::imagenet:
      with(AutoAugment::Policy::imagenet);
      break;
    case Policy::cifar10:
      with(AutoAugment::Policy::cifar10);
      break;
    case Policy::svhn:
      with(AutoAugment::Policy::svhn);
      break;
  }
}

Operations training_of(const TorchvisionTrainRecipe& r) {
  Operations list{
      RandomResizedCrop{.size = {r.size, r.size}, .scale = r.scale, .ratio = r.ratio, .filter = r.filter, .antialias = r.antialias}};
  if (r.hflip > 0) list.push_back(RandomHorizontalFlip{r.hflip});
  add_policy(list, r);
  list.push_back(Normalize{{r.mean.begin(), r.mean.end()}, {r.std.begin(), r.std.end()}});
  if (r.re_prob > 0) list.push_back(RandomErasing{.p = r.re_prob, .area = {0.02, 0.33}, .aspect = {0.3, 3.3}, .timm = false});
  return list;
}

Operations operations(const Operation& op, bool evaluation) { return evaluation && is_random(op) ? Operations{} : Operations{op}; }
Operations operations(const TimmTrainRecipe& r, bool evaluation) { return evaluation ? evaluation_of(r) : timm_train(r.options); }
Operations operations(const TimmEvalOptions& o, bool) { return timm_eval(o); }
Operations operations(const TorchvisionTrainRecipe& r, bool evaluation) { return evaluation ? evaluation_of(r) : training_of(r); }
Operations operations(const TorchvisionEvalOptions& o, bool) { return torchvision_eval(o); }

}  // namespace

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names{"timm-train", "timm-eval", "torchvision-train", "torchvision-eval"};
  return names;
}

Step make_recipe_step(const std::string& name) {
  if (name == "timm-train") return TimmTrainRecipe{};
  if (name == "timm-eval") return TimmEvalOptions{};
  if (name == "torchvision-train") return TorchvisionTrainRecipe{};
  if (name == "torchvision-eval") return TorchvisionEvalOptions{};
  std::abort();
}

void visit(Keys& keys, Step& step) {
  std::visit([&](auto& one) { keys_of(keys, one); }, step);
}

std::vector<Operation> operations_of(const Step& step, bool evaluation) {
  return std::visit([&](const auto& one) { return operations(one, evaluation); }, step);
}

}  // namespace millrace
