#include "experiments/compare_plan.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "experiments/tree_run.h"
#include "pipeline/error.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class ComparePlan : public testing::Test {
 protected:
  Spec spec(const std::string& text) { return parse_spec(parse_document(text, "spec.toml"), 2); }
  Json plan(const std::string& text) { return dataloader_plan(spec(text), source_); }
  std::string refusal(const std::string& augment) {
    try {
      plan("[data]\nname = \"mnist\"\n" + augment);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      return e.what();
    }
    return "none";
  }
  SourceInfo source_{"mnist", {"0", "1"}, {28, 28}, 1, ""};
};

TEST_F(ComparePlan, SaysWhatTheSpecSays) {
  const Json p = plan("[data]\nname = \"mnist\"\nbatch = 32\n[loader]\nworkers = 3\nprefetch = 4\nseed = 5\n[[augment]]\nop = \"random_affine\"\ndegrees = 15\n[[augment]]\nop = \"normalize\"\nmean = 0.1\nstd = 0.3\n");
  EXPECT_EQ(p["batch"], 32);
  EXPECT_EQ(p["workers"], 3);
  EXPECT_EQ(p["prefetch"], 4);
  EXPECT_EQ(p["seed"], 5);
  EXPECT_EQ(p["dtype"], "f32");
  EXPECT_EQ(p["height"], 28);
  EXPECT_EQ(p["augment"][0]["op"], "random_affine");
  EXPECT_EQ(p["augment"][0]["degrees"], Json({-15.0, 15.0}));
  EXPECT_EQ(p["augment"][1]["mean"], Json({0.1}));
}

TEST_F(ComparePlan, BatchesAreGatheredOnlyWhereNothingIsDrawn) {
  EXPECT_THAT(dataloader_recipes(spec("[[augment]]\nop = \"normalize\"\nmean = 0.1\nstd = 0.3\n"), source_), testing::ElementsAre("usual", "batched"));
  EXPECT_THAT(dataloader_recipes(spec("[[augment]]\nop = \"random_rotation\"\ndegrees = 5\n"), source_), testing::ElementsAre("usual"));
  source_.raw_size = {};
  EXPECT_THAT(dataloader_recipes(spec(""), source_), testing::ElementsAre("usual"));
}

TEST_F(ComparePlan, WhatTheDataLoaderHasNoWordForIsNamed) {
  EXPECT_THAT(refusal("[[augment]]\nop = \"random_resized_crop\"\nsize = 20\nantialias = false\n"), HasSubstr("spec.toml:3:1: the DataLoader side cannot do random_resized_crop without antialias"));
  EXPECT_THAT(refusal("[[augment]]\nop = \"resize\"\nsize = 20\nfit = \"cover\"\n"), HasSubstr("cannot do resize with fit = \"cover\""));
  EXPECT_THAT(refusal("[[augment]]\nop = \"random_erasing\"\np = 0.5\nvalue = \"pixel\"\n"), HasSubstr("cannot do random_erasing with value"));
  EXPECT_THAT(refusal("[[augment]]\nop = \"normalize\"\nmean = 0.1\nstd = 0.3\n[[augment]]\nop = \"random_horizontal_flip\"\n"), HasSubstr("cannot do random_horizontal_flip after normalize"));
  EXPECT_THAT(refusal("[loader]\nextra_us_per_image = 5\n"), HasSubstr("loader.extra_us_per_image"));
  EXPECT_EQ(refusal("[[augment]]\nop = \"random_resized_crop\"\nsize = 20\n"), "none");
}

TEST_F(ComparePlan, AStepThatIsSwitchedOffIsNotJudged) {
  EXPECT_EQ(refusal("[[augment]]\nop = \"resize\"\nsize = 20\nfit = \"cover\"\nenabled = false\n"), "none");
}

TEST(TrainingTime, IsTheSlowerSideOrBothInTurnOrWhatTheCoresAllow) {
  EXPECT_DOUBLE_EQ(training_seconds(1000, {100, 0.001}, {200, 0.001}, 2, 8), 10);
  EXPECT_DOUBLE_EQ(training_seconds(1000, {100, 0.001}, {200, 0.001}, 0, 8), 15);
  EXPECT_DOUBLE_EQ(training_seconds(1000, {100, 0.02}, {200, 0.02}, 2, 2), 20);
  EXPECT_DOUBLE_EQ(training_seconds(1000, {0, 0}, {200, 0.02}, 2, 2), 0);
}

TEST(TreeRun, CountsWhatChildrenHold) {
  // A shell that starts another process: both are the tree.
  const TreeRun run = run_tree({"/bin/sh", "-c", "echo out; echo err >&2; sleep 0.4 & wait; exit 3"}, std::chrono::seconds(20), {});
  EXPECT_EQ(run.status, 3);
  EXPECT_EQ(run.out, "out\n");
  EXPECT_EQ(run.err, "err\n");
  EXPECT_GT(run.peak_rss_bytes, 100'000u);
  EXPECT_FALSE(run.timed_out);
}

TEST(TreeRun, EndsAWholeTreeWhoseTimeIsOver) {
  const TreeRun run = run_tree({"/bin/sh", "-c", "sleep 100 & sleep 100"}, std::chrono::milliseconds(100), {});
  EXPECT_TRUE(run.timed_out);
  EXPECT_EQ(run.status, -SIGKILL);
}

TEST(TreeRun, AProgramThatIsNotThereIsAnError) { EXPECT_THROW(run_tree({"/no/such/program"}, std::chrono::seconds(1), {}), Error); }

/// The program and the Python that it would take.
class Compare : public Program {
 protected:
  static std::string python() {
    const char* named = std::getenv("MILLRACE_PYTHON");
    return named && *named ? named : MILLRACE_SOURCE_DIR "/.venv/bin/python";
  }
  static bool has(const std::string& module) { return std::system((python() + " -c 'import " + module + "' >/dev/null 2>&1").c_str()) == 0; }
};

TEST_F(Compare, SetsDigitsBesideTheDataLoader) {
  if (!has("torch, numpy")) GTEST_SKIP() << "no torch in " << python();
  const std::string path = spec("[data]\nname = \"digits\"\nsubset = 500\nbatch = 50\n[loader]\nworkers = 1\n[[augment]]\nop = \"normalize\"\nmean = 0.1\nstd = 0.3\n[train]\nmodel = \"sleep\"\nepochs = 2\n");
  ASSERT_EQ(run({"compare", path, "--repeats", "1", "--seconds", "0.05", "--json", "--out", out()}), 0) << text("stderr");
  const Json result = last_line();
  ASSERT_TRUE(result.is_object()) << text("stdout");
  int ran = 0;
  for (const Json& c : result["contestants"]) {
    if (c.contains("failed")) {
      EXPECT_THAT(c["failed"].get<std::string>(), HasSubstr("has no")) << c;  // The usual recipe, without torchvision.
      continue;
    }
    ++ran;
    EXPECT_GT(c["images_per_second"]["median"], 0);
    EXPECT_GT(c["tree_peak_rss_bytes"]["median"], 1e6);
    EXPECT_GT(c["training_seconds"], 0);
  }
  EXPECT_GE(ran, 2);
  EXPECT_EQ(result["images"], 1000);
  EXPECT_TRUE(std::filesystem::exists(out() + "/compare.md"));
}

TEST_F(Compare, WhatIsMissingInThePythonIsSaidWithWhatToInstall) {
  // A Python that has nothing but its standard library, whatever this machine's has.
  const std::string bare = (folder_ / "python").string();
  std::ofstream(bare) << "#!/bin/sh\nexec /usr/bin/python3 -S -E \"$@\"\n";
  std::filesystem::permissions(bare, std::filesystem::perms::owner_all);
  setenv("MILLRACE_PYTHON", bare.c_str(), 1);
  const std::string path = spec("[data]\nname = \"digits\"\nsubset = 500\nbatch = 50\n[[augment]]\nop = \"random_rotation\"\ndegrees = 5\n[train]\nmodel = \"sleep\"\n");
  EXPECT_EQ(run({"compare", path, "--repeats", "1", "--seconds", "0.05"}), 2);
  unsetenv("MILLRACE_PYTHON");
  EXPECT_THAT(text("stderr"), HasSubstr("PIL"));
  EXPECT_THAT(text("stderr"), HasSubstr("torchvision"));
  EXPECT_THAT(text("stderr"), HasSubstr("make compare-deps"));
}

}  // namespace
}  // namespace millrace
