#include "experiments/operations.h"

#include <algorithm>
#include <cstdlib>

#include "experiments/step_keys.h"

namespace millrace {
namespace {

using namespace augment;
using namespace step_keys;

const std::vector<std::pair<std::string, PadMode>> kPadModes{
    {"constant", PadMode::constant}, {"edge", PadMode::edge}, {"reflect", PadMode::reflect}, {"symmetric", PadMode::symmetric}};
const std::vector<std::pair<std::string, Resize::Fit>> kFits{
    {"stretch", Resize::Fit::stretch}, {"cover", Resize::Fit::cover}, {"contain", Resize::Fit::contain}};
const std::vector<std::pair<std::string, AutoAugment::Policy>> kPolicies{
    {"imagenet", AutoAugment::Policy::imagenet}, {"cifar10", AutoAugment::Policy::cifar10}, {"svhn", AutoAugment::Policy::svhn}};

void keys_of(Keys& keys, RandomAffine& op) {
  symmetric_range(keys, "degrees", op.degrees, 360);
  optional_range(keys, "translate", op.translate, 0, 1);
  optional_range(keys, "scale", op.scale, 1e-3, 1e3);
  keys.numbers("shear", op.shear, {1, 2, 4}, -89, 89);
  keys.choice("interpolation", op.filter, warp_filters());
  fill(keys, op.fill);
}

void keys_of(Keys& keys, RandomRotation& op) {
  symmetric_range(keys, "degrees", op.degrees, 360);
  keys.choice("interpolation", op.filter, warp_filters());
  fill(keys, op.fill);
}

void keys_of(Keys& keys, RandomCrop& op) {
  size(keys, op.size);
  keys.whole("padding", op.padding, 0, 4096);
  keys.choice("padding_mode", op.pad_mode, kPadModes);
  fill(keys, op.fill);
}

void keys_of(Keys& keys, CenterCrop& op) {
  size(keys, op.size);
  fill(keys, op.fill);
}

void keys_of(Keys& keys, Resize& op) {
  const bool by_shorter = keys.reading() ? keys.has("shorter") : op.shorter > 0;
  if (keys.reading() && by_shorter && keys.has("size")) keys.refuse("shorter", "stands beside size", "keep one of them");
  // The other key is asked for as well, so that a message can name it.
  if (keys.reading() || by_shorter) keys.whole("shorter", op.shorter, 1, 16384);
  Size any{1, 1};
  if (keys.reading() || !by_shorter) size(keys, by_shorter ? any : op.size);
  keys.choice("fit", op.fit, kFits);
  keys.choice("interpolation", op.filter, resize_filters());
  keys.boolean("antialias", op.antialias);
}

void keys_of(Keys& keys, RandomResizedCrop& op) {
  size(keys, op.size);
  range(keys, "scale", op.scale, 1e-6, 1);
  range(keys, "ratio", op.ratio, 1e-3, 1e3);
  filter_or_random(keys, op.filter, op.random_filter, resize_filters());
  keys.boolean("antialias", op.antialias);
}

void keys_of(Keys& keys, RandomHorizontalFlip& op) { keys.number("p", op.p, 0, 1); }
void keys_of(Keys& keys, RandomVerticalFlip& op) { keys.number("p", op.p, 0, 1); }
void keys_of(Keys& keys, RandomGrayscale& op) { keys.number("p", op.p, 0, 1); }

void keys_of(Keys& keys, TimmRandAugment& op) {
  keys.text("config", op.config, {});
  rgb(keys, "mean", op.mean, 0, 1);
  filter_or_random(keys, op.filter, op.random_filter, warp_filters());
}

void keys_of(Keys& keys, RandAugment& op) {
  keys.whole("num_ops", op.num_ops, 0, Draw::kMaxOps);
  keys.whole("magnitude", op.magnitude, 0, 999);
  keys.whole("num_magnitude_bins", op.bins, 2, 1000);
  keys.choice("interpolation", op.filter, warp_filters());
  fill(keys, op.fill);
}

void keys_of(Keys& keys, TrivialAugmentWide& op) {
  keys.whole("num_magnitude_bins", op.bins, 2, 1000);
  keys.choice("interpolation", op.filter, warp_filters());
  fill(keys, op.fill);
}

void keys_of(Keys& keys, AutoAugment& op) {
  keys.choice("policy", op.policy, kPolicies);
  keys.choice("interpolation", op.filter, warp_filters());
  fill(keys, op.fill);
}

/// torchvision's rule: one number b means [max(0, 1 - b), 1 + b].
void jitter_factor(Keys& keys, const char* name, std::optional<Range>& value) {
  std::vector<double> v;
  if (value) v.assign(value->begin(), value->end());
  keys.numbers(name, v, {1, 2}, 0, 1e3);
  if (v.size() == 1) value = Range{std::max(0.0, 1 - v[0]), 1 + v[0]};
  if (v.size() == 2) value = Range{v[0], v[1]};
}

void keys_of(Keys& keys, ColorJitter& op) {
  jitter_factor(keys, "brightness", op.brightness);
  jitter_factor(keys, "contrast", op.contrast);
  jitter_factor(keys, "saturation", op.saturation);
  std::vector<double> hue;
  if (op.hue) hue.assign(op.hue->begin(), op.hue->end());
  keys.numbers("hue", hue, {1, 2}, -0.5, 0.5);
  if (hue.size() == 1) op.hue = Range{-std::abs(hue[0]), std::abs(hue[0])};
  if (hue.size() == 2) op.hue = Range{hue[0], hue[1]};
}

void keys_of(Keys& keys, RandomErasing& op) {
  keys.number("p", op.p, 0, 1);
  range(keys, "scale", op.area, 0, 1);
  range(keys, "ratio", op.aspect, 1e-3, 1e3);
  erasing_value(keys, "value", op.value);
  keys.whole("max_count", op.max_count, 1, Draw::kMaxOps);
  keys.boolean("timm", op.timm);
}

void keys_of(Keys& keys, Normalize& op) {
  keys.numbers("mean", op.mean, {1, 3}, -1e6, 1e6);
  keys.numbers("std", op.std, {1, 3}, 1e-9, 1e6);
}

struct Row {
  const char* name;
  Operation made;
  void (*visit)(Keys&, Operation&);
  bool random;
};
template <class Op>
Row row(const char* name, bool random, Op made = {}) {
  return {name, std::move(made), [](Keys& keys, Operation& op) { keys_of(keys, std::get<Op>(op)); }, random};
}
/// The table of operations.
const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      row<RandomAffine>("random_affine", true),
      row<RandomRotation>("random_rotation", true),
      row<RandomCrop>("random_crop", true),
      row<Resize>("resize", false),
      row<CenterCrop>("center_crop", false),
      row<RandomResizedCrop>("random_resized_crop", true),
      row<RandomVerticalFlip>("random_vertical_flip", true),
      row<RandomHorizontalFlip>("random_horizontal_flip", true),
      row<TimmRandAugment>("timm_rand_augment", true, {.config = "rand-m9-mstd0.5-inc1"}),
      row<RandAugment>("rand_augment", true),
      row<TrivialAugmentWide>("trivial_augment_wide", true),
      row<AutoAugment>("auto_augment", true),
      row<ColorJitter>("color_jitter", true),
      row<RandomGrayscale>("random_grayscale", true),
      // torchvision's defaults; timm's are those of its recipe.
      row<RandomErasing>("random_erasing", true, {.area = {0.02, 0.33}, .aspect = {0.3, 3.3}, .timm = false}),
      row<Normalize>("normalize", false, {{0.5}, {0.5}}),
  };
  return table;
}

const Row& row_of(const Operation& operation) {
  for (const Row& r : rows())
    if (r.made.index() == operation.index()) return r;
  std::abort();  // Every operation has a row.
}

}  // namespace

const std::vector<std::string>& operation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Row& r : rows()) out.emplace_back(r.name);
    return out;
  }();
  return names;
}

augment::Operation make_operation(const std::string& name) {
  for (const Row& r : rows())
    if (r.name == name) return r.made;
  std::abort();
}

void visit(Keys& keys, augment::Operation& operation) { row_of(operation).visit(keys, operation); }

bool is_random(const augment::Operation& operation) { return row_of(operation).random; }

}  // namespace millrace
