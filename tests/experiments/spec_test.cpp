#include "experiments/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/grid.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Spec read(const std::string& text, int cores = 64) { return parse_spec(parse_document(text, "a.toml"), cores); }

/// The one line and the hint of what a spec is refused for.
std::pair<std::string, std::string> refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return {e.what(), e.hint()};
  }
  ADD_FAILURE() << "was accepted: " << text;
  return {};
}
std::string message(const std::string& text) { return refusal(text).first; }

TEST(Spec, AnUnknownKeyIsNamedWithItsPlaceAndTheNearestKnownOne) {
  const auto [what, hint] = refusal("[loader]\n\nwokers = 2\n");
  EXPECT_EQ(what, "a.toml:3:1: unknown key 'loader.wokers'");
  EXPECT_EQ(hint, "did you mean 'loader.workers'?");
}

TEST(Spec, AnUnknownTableIsNamedWithTheNearestKnownOne) { EXPECT_EQ(refusal("[loder]\nworkers = 1\n").second, "did you mean [loader]?"); }

TEST(Spec, AnUnknownOperationIsNamedWithTheNearestKnownOne) {
  EXPECT_EQ(refusal("[[augment]]\nop = \"random_afine\"\n").second, "did you mean 'random_affine'?");
}

TEST(Spec, AnUnknownParameterOfAnOperationIsRefused) {
  EXPECT_EQ(message("[[augment]]\nop = \"normalize\"\nmeen = 0.5\n"), "a.toml:3:1: unknown key 'augment.meen'");
}

TEST(Spec, WorkersMayBeAuto) {
  const Spec spec = read("[loader]\nworkers = \"auto\"\n");
  EXPECT_EQ(spec.loader.workers, kAutoWorkers);
  EXPECT_EQ(to_json(spec)["loader"]["workers"], "auto");
}

TEST(Spec, AMistypedValueIsToldWhatWasExpectedAtItsColumn) {
  EXPECT_EQ(message("[loader]\nworkers = \"two\"\n"),
            "a.toml:2:11: loader.workers: expected an integer, 0 to 1000, or \"auto\", found the text \"two\"");
}

TEST(Spec, ABadElementOfAListIsNamed) {
  EXPECT_THAT(message("[[augment]]\nop = \"random_resized_crop\"\nsize = 8\nscale = [0.1, 1.5]\n"), HasSubstr("found 1.5 at place 2"));
  EXPECT_THAT(message("[[augment]]\nop = \"random_resized_crop\"\nsize = 8\nscale = [\"a\", 1]\n"), HasSubstr("found the text \"a\" at place 1"));
  EXPECT_THAT(message("[[augment]]\nop = \"random_resized_crop\"\nsize = 8\nscale = [0.1]\n"), HasSubstr("found a list of 1"));
}

TEST(Spec, AColourThatIsAFractionIsRefusedAndOthersAreRounded) {
  const auto [what, hint] = refusal("[[augment]]\nop = \"random_rotation\"\ndegrees = 5\nfill = [0.485, 0.456, 0.406]\n");
  EXPECT_THAT(what, HasSubstr("augment.fill: is a colour of 0 to 255, found 0.485"));
  EXPECT_THAT(hint, HasSubstr("124"));
  const Spec spec = read("[[augment]]\nop = \"random_rotation\"\ndegrees = 5\nfill = [123.675, 116.28, 103.53]\n");
  EXPECT_EQ(to_json(spec)["augment"][0]["fill"], (Json{124, 116, 104}));
}

TEST(Spec, OtherIdxSetsHaveKeysOfTheirOwn) {
  const Spec spec = read("[data]\nname = \"idx\"\npath = \"emnist\"\nfiles = \"emnist-letters\"\nclasses = [\"a\", \"b\"]\nfirst_label = 1\n");
  EXPECT_THAT(spec.data.classes, SizeIs(2));
  EXPECT_EQ(to_json(spec)["data"]["first_label"], 1);
  EXPECT_FALSE(to_json(read(""))["data"].contains("files")) << "digests of other specs stay as they were";
  EXPECT_THAT(message("[data]\nname = \"idx\"\n"), HasSubstr("needs data.path"));
  EXPECT_THAT(message("[data]\nname = \"idx\"\npath = \"a\"\nclasses = [1]\n"), HasSubstr("expected a list of texts, found 1 at place 1"));
  EXPECT_THAT(read("[data]\nname = \"mnist\"\nclasses = [\"a\"]\n").warnings, SizeIs(1));
}

TEST(Spec, ZeroAndNegativeSizesAreRefused) {
  EXPECT_THAT(message("[data]\nbatch = 0\n"), HasSubstr("data.batch: expected an integer, 1 to"));
  EXPECT_THAT(message("[loader]\nworkers = -1\n"), HasSubstr("found -1"));
  EXPECT_THAT(message("[loader]\nprefetch = 0\n"), HasSubstr("loader.prefetch"));
  EXPECT_THAT(message("[train]\nepochs = 0\n"), HasSubstr("train.epochs"));
  EXPECT_THAT(message("[train]\nlr = nan\n"), HasSubstr("train.lr"));
  EXPECT_THAT(message("[[augment]]\nop = \"normalize\"\nstd = 0\n"), HasSubstr("augment.std"));
}

TEST(Spec, TextThatIsNotTomlIsRefusedWithItsPlace) {
  EXPECT_THAT(message("[data\n"), HasSubstr("a.toml:1:"));
  EXPECT_THAT(message("[data]\nname = 1979-05-27\n"), HasSubstr("a.toml:2:8: dates"));
  EXPECT_THAT(message("workers = 2\n"), HasSubstr("'workers' stands outside a table"));
  EXPECT_THAT(message("[augment]\nop = 1\n"), HasSubstr("augment is a list of tables"));
  EXPECT_THAT(message("[[data]]\nname = 1\n"), HasSubstr("outside a table"));
}

TEST(Spec, NoBytesCrashTheParser) {
  std::string text =
      "[data]\nname = \"mnist\"\nbatch = 64\n[[augment]]\nop = \"normalize\"\nmean = [0.5]\n[study]\naxes = { \"loader.workers\" = [0, 1] "
      "}\n";
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char byte : {'\0', '\xff', '[', '"', '=', '9'}) {
      std::string bad = text;
      bad[at] = byte;
      try {
        read(bad);
      } catch (const Error&) {}
    }
}

TEST(Spec, WhatTheTrainerWouldRefuseIsRefusedAtItsPlace) {
  EXPECT_THAT(message("[train]\nmomentum = 1\n"), HasSubstr("a.toml:2:12: train.momentum: expected a number below 1"));
  EXPECT_THAT(message("[train]\nbetas = [0.9, 1]\n"), HasSubstr("a.toml:2:9: train.betas"));
  EXPECT_THAT(message("[train]\ndevice = \"gpu\"\n"), HasSubstr("a.toml:2:10: train.device: 'gpu' is none of auto, cpu, cuda, cuda:N"));
  EXPECT_THAT(message("[train]\ndevice = \"cuda:\"\n"), HasSubstr("train.device"));
  EXPECT_EQ(read("[train]\ndevice = \"cuda:1\"\n").train.options.device, "cuda:1");
  EXPECT_THAT(message("[loader]\nworkers = 1001\n"), HasSubstr("0 to 1000, or \"auto\", found 1001"));
}

TEST(Spec, IntegersAreWrittenInFull) { EXPECT_THAT(message("[data]\nbatch = 0\n"), HasSubstr("1 to 16777216")); }

TEST(Spec, WhatAMessageRepeatsIsCut) {
  const std::string key(5000, 'k');
  EXPECT_THAT(message("[loader]\n" + key + " = 1\n"), testing::SizeIs(testing::Lt(200u)));
  EXPECT_THAT(message("[" + key + "]\na = 1\n"), testing::SizeIs(testing::Lt(200u)));
  EXPECT_THAT(message("[loader]\nsampler = \"" + key + "\"\n"), testing::SizeIs(testing::Lt(200u)));
  EXPECT_THAT(message("[loader]\nworkers = \"" + key + "\"\n"), testing::SizeIs(testing::Lt(200u)));
  EXPECT_THAT(shortened(std::string(56, 'a') + "\u00b5\u00b5\u00b5"), testing::EndsWith("a..."));
}

TEST(Spec, MoreThreadsThanCoresIsOneWarning) {
  EXPECT_THAT(read("[train]\nthreads = 9\n", 2).warnings, testing::ElementsAre(HasSubstr("train.threads = 9 are more than the 2 cores")));
}

TEST(Spec, TwoBatchKeysAreRefused) {
  EXPECT_THAT(message("[data]\nbatch = 1\nbatch_per_rank = 2\n"), HasSubstr("both data.batch and data.batch_per_rank"));
}

TEST(Spec, OneDegreeMeansARangeAroundZero) {
  const Spec spec = read("[[augment]]\nop = \"random_affine\"\ndegrees = 15\nshear = 10\n");
  const auto& affine = std::get<augment::RandomAffine>(std::get<augment::Operation>(spec.augment.at(0).step));
  EXPECT_EQ(affine.degrees, (augment::Range{-15, 15}));
  EXPECT_EQ(affine.shear, std::vector<double>{10});
  EXPECT_FALSE(affine.translate.has_value());
}

TEST(Spec, KeysWithoutEffectAreRemarkedOn) {
  EXPECT_THAT(read("[loader]\nworkers = 0\nprefetch = 4\n").warnings,
              testing::ElementsAre(HasSubstr("a.toml:3:1: loader.prefetch has no effect")));
  EXPECT_THAT(read("[train]\noptimizer = \"adam\"\nmomentum = 0.9\n").warnings, SizeIs(1));
  EXPECT_THAT(read("[loader]\nworkers = 2\nprefetch = 4\n").warnings, IsEmpty());
}

TEST(Spec, MoreWorkersThanCoresIsOneWarning) {
  EXPECT_THAT(read("[loader]\nworkers = 9\n", 2).warnings, testing::ElementsAre(HasSubstr("more than the 2 cores")));
}

TEST(Spec, WhatIsWrittenReadsBackTheSame) {
  const Spec spec = read(
      "[data]\nname = \"mnist\"\nbatch_per_rank = 32\n[[augment]]\nop = \"random_affine\"\ndegrees = 15\ntranslate = [0.1, "
      "0.1]\n[train]\nlr = 0.1\n");
  Document again{"b.toml", {}, {}};
  const Json written = to_json(spec);
  for (const auto& [table, keys] : written.items()) {
    if (table == "augment") {
      again.augment.push_back({"augment", "b", {}});
      for (const auto& [key, value] : keys.at(0).items()) again.augment[0].set({key, value, "b", "b"});
    } else {
      for (const auto& [key, value] : keys.items()) again.section(table).set({key, value, "b", "b"});
    }
  }
  EXPECT_EQ(to_json(parse_spec(again, 64)), written);
}

TEST(Spec, HowAGpuComputesIsTorchsDefaultUntilSaidOtherwiseAndIsWrittenWithEverySpec) {
  EXPECT_EQ(to_json(read(""))["train"]["tf32"], "convolutions");
  EXPECT_EQ(to_json(read(""))["train"]["cudnn_benchmark"], false);
  EXPECT_EQ(to_json(read(""))["train"]["deterministic"], false);
  const Spec spec = read("[train]\ntf32 = \"none\"\ndeterministic = true\n");
  EXPECT_EQ(spec.train.options.tf32, train::Tf32::none);
  EXPECT_TRUE(spec.train.options.deterministic);
  EXPECT_THROW(read("[train]\ncudnn_benchmark = true\ndeterministic = true\n"), Error);
  EXPECT_THROW(read("[train]\ntf32 = \"some\"\n"), Error);
}

TEST(Spec, EqualSettingsHaveEqualDigestsAndOthersDoNot) {
  EXPECT_EQ(digest_of(read("[loader]\nworkers = 1\n")), digest_of(read("")));
  EXPECT_NE(digest_of(read("[loader]\nworkers = 2\n")), digest_of(read("")));
}

TEST(Override, ReplacesAValueAndMakesMissingTables) {
  Document document = parse_document("[loader]\nworkers = 1\n", "a.toml");
  override_key(document, "loader.workers", parse_value("2"), "--set");
  override_key(document, "train.model", parse_value("toy"), "--set");
  const Spec spec = parse_spec(document, 64);
  EXPECT_EQ(spec.loader.workers, 2);
  EXPECT_EQ(spec.train.options.model, "toy");
}

TEST(Override, SettingOneBatchKeyRemovesTheOthers) {
  Document document = parse_document("[data]\nbatch_per_node = 8\n", "a.toml");
  override_key(document, "data.batch", 16, "--set");
  const Spec spec = parse_spec(document, 64);
  EXPECT_EQ(spec.data.batch, 16u);
  EXPECT_EQ(spec.data.batch_unit, BatchUnit::global);
}

TEST(Override, SettingStepsRemovesEpochsAndTheOtherWayRound) {
  Document document = parse_document("[train]\nepochs = 3\n", "a.toml");
  override_key(document, "train.steps", 7, "--set");
  EXPECT_EQ(parse_spec(document, 64).train.steps, 7u);
  override_key(document, "train.epochs", 2, "--set");
  EXPECT_EQ(parse_spec(document, 64).train.steps, 0u);
  EXPECT_EQ(parse_spec(document, 64).train.epochs, 2u);
}

TEST(Override, AnUnknownTableIsToldOfTheOption) {
  Document document = parse_document("", "a.toml");
  override_key(document, "loder.workers", 1, "--set loder.workers");
  EXPECT_THAT([&] { parse_spec(document, 64); }, testing::ThrowsMessage<Error>("--set loder.workers: unknown table 'loder'"));
}

TEST(Override, SwitchesAnOperationByItsName) {
  Document document = parse_document("[[augment]]\nop = \"random_affine\"\nname = \"affine\"\n", "a.toml");
  override_key(document, "augment.affine", false, "--set");
  EXPECT_FALSE(parse_spec(document, 64).augment.at(0).enabled);
  EXPECT_THAT(to_json(parse_spec(document, 64))["augment"], IsEmpty());
  EXPECT_THROW(override_key(document, "augment.afine", false, "--set"), Error);
}

TEST(Override, AnErrorNamesTheOptionInPlaceOfALine) {
  Document document = parse_document("", "a.toml");
  override_key(document, "loader.workers", "two", "--set loader.workers");
  EXPECT_THAT([&] { parse_spec(document, 64); },
              testing::ThrowsMessage<Error>(HasSubstr("--set loader.workers: loader.workers: expected an integer")));
}

TEST(Override, ValuesAreTomlOrBareWords) {
  EXPECT_EQ(parse_value("2"), Json(2));
  EXPECT_EQ(parse_value("true"), Json(true));
  EXPECT_EQ(parse_value("[0.9, 0.99]"), Json({0.9, 0.99}));
  EXPECT_EQ(parse_value("cuda:0"), Json("cuda:0"));
  EXPECT_EQ(parse_value("\"a b\""), Json("a b"));
  for (const char* bad : {"", "a b", "1\n[x]", "{", "1]"}) EXPECT_THROW(parse_value(bad), Error) << bad;
}

TEST(Nearest, FindsASlipAndLeavesTheUnrelatedAlone) {
  EXPECT_EQ(nearest("prefech", {"workers", "prefetch"}), "prefetch");
  EXPECT_EQ(nearest("xyzzy", {"workers", "prefetch"}), "");
}

TEST(Grid, TheLastAxisRunsFastest) {
  const auto cells = expand({{"augment.affine", {true, false}}, {"loader.workers", {0, 2}}});
  ASSERT_THAT(cells, SizeIs(4));
  EXPECT_EQ(cell_label(cells[1]), "affine on, workers 2");
  EXPECT_EQ(cell_label(cells[2]), "affine off, workers 0");
}

TEST(Grid, AStudyWithoutAxesIsOneRun) { EXPECT_THAT(expand({}), SizeIs(1)); }

TEST(Grid, OnlyKeepsOneValueAndRefusesOthers) {
  std::vector<Axis> axes{{"loader.workers", {0, 2}}};
  EXPECT_THROW(restrict_axis(axes, "loader.workers", 3), Error);
  EXPECT_THROW(restrict_axis(axes, "loader.worker", 2), Error);
  restrict_axis(axes, "loader.workers", 2);
  EXPECT_THAT(expand(axes), SizeIs(1));
}

TEST(Grid, RepetitionsDifferInTheirSeedsOnly) {
  const Document base = parse_document("[loader]\nseed = 5\n", "a.toml");
  const Spec first = spec_of(base, {}, 0, 64), second = spec_of(base, {}, 1, 64);
  EXPECT_EQ(second.loader.seed, 6u);
  EXPECT_EQ(second.train.options.seed, first.train.options.seed + 1);
  EXPECT_NE(digest_of(first), digest_of(second));
}

TEST(Study, AxesMayStandInATableOrInline) {
  const auto inline_axes = read("[study]\naxes = { \"loader.workers\" = [0, 1] }\n").study.axes;
  const auto table_axes = read("[study.axes]\nloader.workers = [0, 1]\n").study.axes;
  ASSERT_THAT(inline_axes, SizeIs(1));
  ASSERT_THAT(table_axes, SizeIs(1));
  EXPECT_EQ(inline_axes[0].key, table_axes[0].key);
}

TEST(Study, AnAxisNeedsAListOfValues) {
  EXPECT_THAT(message("[study]\naxes = { \"loader.workers\" = 2 }\n"), HasSubstr("needs a list of values"));
  EXPECT_THAT(message("[study]\naxes = { \"loader.workers\" = [] }\n"), HasSubstr("needs a list of values"));
  EXPECT_THAT(message("[study]\nrepeats = 2\n"), HasSubstr("unknown key 'study.repeats'"));
}

}  // namespace
}  // namespace millrace
