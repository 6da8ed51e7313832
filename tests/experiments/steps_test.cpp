// [[augment]]: every operation and recipe, its keys, and what evaluation makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/assemble.h"
#include "experiments/operations.h"
#include "experiments/recipes.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

using namespace augment;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Spec read(const std::string& text) { return parse_spec(parse_document(text, "a.toml"), 64); }
Step step(const std::string& keys) { return read("[[augment]]\n" + keys).augment.at(0).step; }
template <class Op>
Op operation(const std::string& keys) {
  return std::get<Op>(std::get<Operation>(step(keys)));
}
std::string refusal(const std::string& keys) {
  try {
    read("[[augment]]\n" + keys);
  } catch (const Error& e) {
    return std::string(e.what()) + " | " + e.hint();
  }
  return "accepted";
}
std::vector<Operation> expanded(const std::string& keys, bool evaluation = false) { return operations_of(step(keys), evaluation); }

/// What a step writes, read and written once more.
void expect_round_trip(const std::string& keys) {
  const Json written = to_json(read("[[augment]]\n" + keys))["augment"][0];
  Document again{"b.toml", {}, {{"augment", "b", {}}}};
  for (const auto& [key, value] : written.items()) again.augment[0].set({key, value, "b", "b"});
  EXPECT_EQ(to_json(parse_spec(again, 64))["augment"][0], written) << keys;
}

bool sized(const std::string& name) { return name.find("crop") != std::string::npos || name == "resize"; }

TEST(Steps, EveryOperationHasAName) { EXPECT_THAT(operation_names(), SizeIs(std::variant_size_v<Operation>)); }

TEST(Steps, WhatIsWrittenReadsBackTheSame) {
  for (const std::string& op : operation_names()) expect_round_trip("op = \"" + op + "\"\n" + (sized(op) ? "size = [24, 28]\n" : ""));
  for (const std::string& recipe : recipe_names()) expect_round_trip("recipe = \"" + recipe + "\"\n");
  expect_round_trip("op = \"resize\"\nshorter = 256\n");
  expect_round_trip("op = \"color_jitter\"\nbrightness = 0.4\nhue = 0.1\n");
  expect_round_trip("recipe = \"timm-train\"\ninterpolation = \"random\"\ncolor_jitter = 0\nauto_augment = \"\"\n");
}

TEST(Steps, JitterTakesANumberOrARange) {
  const auto jitter = operation<ColorJitter>("op = \"color_jitter\"\nbrightness = 0.4\ncontrast = [0.5, 2]\nsaturation = 1.5\nhue = 0.1\n");
  EXPECT_EQ(*jitter.brightness, (Range{0.6, 1.4}));
  EXPECT_EQ(*jitter.contrast, (Range{0.5, 2}));
  EXPECT_EQ(*jitter.saturation, (Range{0, 2.5}));
  EXPECT_EQ(*jitter.hue, (Range{-0.1, 0.1}));
  EXPECT_FALSE(operation<ColorJitter>("op = \"color_jitter\"\n").hue.has_value());
}

TEST(Steps, PoliciesTakeTheirReferencesNames) {
  const auto torch = operation<RandAugment>("op = \"rand_augment\"\nnum_ops = 3\nmagnitude = 15\nnum_magnitude_bins = 21\n");
  EXPECT_EQ(torch.num_ops, 3);
  EXPECT_EQ(torch.magnitude, 15);
  EXPECT_EQ(torch.bins, 21);
  const auto timm =
      operation<TimmRandAugment>("op = \"timm_rand_augment\"\nconfig = \"rand-m7-n3\"\ninterpolation = \"random\"\nmean = 0.5\n");
  EXPECT_EQ(timm.config, "rand-m7-n3");
  EXPECT_TRUE(timm.random_filter);
  EXPECT_EQ(timm.mean, (Rgb{0.5, 0.5, 0.5}));
  EXPECT_EQ(operation<AutoAugment>("op = \"auto_augment\"\npolicy = \"svhn\"\n").policy, AutoAugment::Policy::svhn);
}

TEST(Steps, ErasingIsTorchvisionsUnlessTimmIsAskedFor) {
  const auto erasing = operation<RandomErasing>("op = \"random_erasing\"\np = 0.25\nscale = [0.1, 0.2]\nvalue = \"pixel\"\n");
  EXPECT_FALSE(erasing.timm);
  EXPECT_EQ(erasing.area, (Range{0.1, 0.2}));
  EXPECT_EQ(erasing.aspect, (Range{0.3, 3.3}));
  EXPECT_EQ(erasing.value, RandomErasing::Value::per_pixel);
}

TEST(Steps, MistakesAreToldAtTheirPlace) {
  EXPECT_EQ(refusal("op = \"random_resized_crop\"\n"), "a.toml:1:1: augment.size: is missing | size = 224, or [height, width]");
  EXPECT_THAT(refusal("op = \"resize\"\nsize = 32\nshorter = 32\n"), HasSubstr("a.toml:4:11: augment.shorter: stands beside size"));
  EXPECT_THAT(refusal("op = \"random_resized_crop\"\nsize = 224\nscale = [1, 0.5]\n"),
              HasSubstr("a.toml:4:9: augment.scale: the first number"));
  EXPECT_THAT(refusal("op = \"timm_rand_augment\"\nconfig = \"rand-q1\"\n"), HasSubstr("a.toml:3:10: "));
  EXPECT_THAT(refusal("recipe = \"timm-train\"\nauto_augment = \"augmix-m3\"\n"), HasSubstr("a.toml:3:16: timm-train: auto_augment"));
  EXPECT_THAT(refusal("recipe = \"tim-train\"\n"), HasSubstr("did you mean 'timm-train'?"));
  EXPECT_THAT(refusal("recipe = \"timm-train\"\nop = \"normalize\"\n"), HasSubstr("both augment.op and augment.recipe"));
  EXPECT_THAT(refusal("name = \"x\"\n"), HasSubstr("[[augment]] without op or recipe"));
  EXPECT_THAT(refusal("recipe = \"timm-train\"\nre_probe = 1\n"), HasSubstr("did you mean 'augment.re_prob'?"));
}

TEST(Steps, WhatOnlyTheCompilerSeesIsToldAtTheOperationsPlace) {
  const Spec spec = read("[[augment]]\nop = \"normalize\"\n\n[[augment]]\nop = \"random_horizontal_flip\"\n");
  EXPECT_THAT(
      [&] {
        make_recipe(spec, {.raw_size = {28, 28}, .channels = 1}, false);
      },
      testing::ThrowsMessage<Error>(testing::StartsWith("a.toml:4:1: RandomHorizontalFlip: comes after Normalize")));
}

TEST(Steps, TokensThatTimmIgnoresAreRemarkedOn) {
  EXPECT_THAT(read("[[augment]]\nop = \"timm_rand_augment\"\nconfig = \"rand-m9-tfoo\"\n").warnings,
              testing::ElementsAre(HasSubstr("a.toml:3:10: RandAugment string 'rand-m9-tfoo'")));
}

TEST(Steps, TimmTrainIsOneLine) {
  const auto list = expanded("recipe = \"timm-train\"\nre_prob = 0.25\nre_mode = \"pixel\"\n");
  ASSERT_THAT(list, SizeIs(5));
  EXPECT_EQ(std::get<RandomResizedCrop>(list[0]).filter, Filter::bicubic);
  EXPECT_EQ(std::get<TimmRandAugment>(list[2]).config, "rand-m9-mstd0.5-inc1");
  EXPECT_EQ(std::get<RandomErasing>(list[4]).value, RandomErasing::Value::per_pixel);
  EXPECT_TRUE(std::get<RandomErasing>(list[4]).timm);
}

TEST(Steps, EvaluationOfTimmTrainIsTimmEvalOfTheSameSize) {
  const auto list = expanded("recipe = \"timm-train\"\nsize = 192\ncrop_pct = 0.9\ninterpolation = \"random\"\nmean = 0.5\n", true);
  ASSERT_THAT(list, SizeIs(3));
  EXPECT_EQ(std::get<Resize>(list[0]).shorter, 213);
  EXPECT_EQ(std::get<Resize>(list[0]).filter, Filter::bicubic);
  EXPECT_EQ(std::get<CenterCrop>(list[1]).size, (Size{192, 192}));
  EXPECT_EQ(std::get<Normalize>(list[2]).mean, (std::vector<double>{0.5, 0.5, 0.5}));
}

TEST(Steps, TorchvisionsPresetEvaluatesAt256For224) {
  const auto train = expanded("recipe = \"torchvision-train\"\nauto_augment = \"ta_wide\"\nre_prob = 0.1\n");
  ASSERT_THAT(train, SizeIs(5));
  EXPECT_TRUE(std::holds_alternative<TrivialAugmentWide>(train[2]));
  EXPECT_FALSE(std::get<RandomErasing>(train[4]).timm);
  EXPECT_EQ(std::get<Resize>(expanded("recipe = \"torchvision-train\"\n", true)[0]).shorter, 256);
}

TEST(Steps, EvaluationLeavesOutWhatDraws) {
  EXPECT_THAT(expanded("op = \"rand_augment\"\n", true), IsEmpty());
  EXPECT_THAT(expanded("op = \"center_crop\"\nsize = 8\n", true), SizeIs(1));
}

TEST(Steps, U8RowsLeaveNormalisingToTheDevice) {
  const Spec spec = read("[data]\ndtype = \"u8\"\n[[augment]]\nrecipe = \"timm-train\"\nsize = 32\n");
  const SourceInfo source{.classes = {"a", "b"}};
  const auto recipe = make_recipe(spec, source, false);
  EXPECT_EQ(recipe->format().dtype, Dtype::u8);
  EXPECT_EQ(trainer_options(spec, source, recipe->format()).mean, (std::vector<double>{0.485, 0.456, 0.406}));
}

TEST(Override, SetsAKeyOfANamedOperation) {
  Document document = parse_document("[[augment]]\nop = \"random_resized_crop\"\nname = \"rrc\"\nsize = 32\n", "a.toml");
  override_key(document, "augment.rrc.interpolation", "bicubic", "--set");
  const Spec spec = parse_spec(document, 64);
  EXPECT_EQ(std::get<RandomResizedCrop>(std::get<Operation>(spec.augment.at(0).step)).filter, Filter::bicubic);
  EXPECT_THROW(override_key(document, "augment.crop.size", 1, "--set"), Error);
  EXPECT_THROW(override_key(document, "loader.workers.more", 1, "--set"), Error);
}

}  // namespace
}  // namespace millrace
