// [[study.when]]: rows that differ in more than the axes say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "experiments/grid.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const char* const kSpec = R"(
[study]
axes = { run = ["published", "twin"], "loader.workers" = [0, 2] }
[[study.when]]
match = { run = "published", "loader.workers" = 0 }
set = { "loader.sampler" = "sequential", "data.batch_per_rank" = 7 }
[[study.when]]
match = { run = "twin", "loader.workers" = [2, 4] }
skip = true
)";

TEST(StudyRules, SetWhatTheAxesDoNotSay) {
  const Document document = parse_document(kSpec, "s.toml");
  const StudySpec study = parse_spec(document, 64).study;
  std::vector<std::string> kept;
  for (const Cell& cell : expand(study.axes)) {
    if (skipped(cell, study.when)) continue;
    const Spec spec = spec_of(document, cell, 0, 64, study.when);
    kept.push_back(cell_label(cell) + (spec.loader.sampler == Sampler::sequential ? ", in order" : "") + ", batch " +
                   std::to_string(spec.data.batch));
  }
  EXPECT_THAT(kept, testing::ElementsAre("run published, workers 0, in order, batch 7", "run published, workers 2, batch 64",
                                         "run twin, workers 0, batch 64"));
}

TEST(StudyRules, WhatNoCellCanMeetOrDoesNothingIsRefused) {
  const auto refused = [](const std::string& rule, const char* message) {
    const std::string text = "[study]\naxes = { run = [1, 2] }\n[[study.when]]\n" + rule + "\n";
    EXPECT_THAT([&] { parse_spec(parse_document(text, "s.toml"), 4); }, testing::ThrowsMessage<Error>(HasSubstr(message))) << rule;
  };
  refused("match = { runs = 1 }\nskip = true", "study.when 1: 'runs' is no axis of this study");
  refused("match = { run = 1 }", "needs match, and one of set and skip");
  refused("match = { run = 1 }\nskip = true\nset = { \"loader.workers\" = 1 }", "needs match, and one of set and skip");
  refused("match = 3\nskip = true", "'match' is unknown or of the wrong type");
  refused("skip = true", "needs match");
}

TEST(StudyRules, AnAxisThatNoRuleReadsNeedsAKey) {
  const Document document = parse_document("[study]\naxes = { run = [1, 2] }\n", "s.toml");
  EXPECT_THROW(spec_of(document, {{"run", 1}}, 0, 4), Error);
}

TEST(Specs, EveryCellOfEveryStudyThatComesWithMillraceParses) {
  std::size_t cells = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/experiments/specs")) {
    if (entry.path().extension() != ".toml") continue;
    const Document document = read_document(entry.path().string());
    const StudySpec study = parse_spec(document, 64).study;
    for (const Cell& cell : expand(study.axes)) {
      if (skipped(cell, study.when)) continue;
      EXPECT_NO_THROW(spec_of(document, cell, 0, 64, study.when)) << entry.path() << ": " << cell_label(cell);
      ++cells;
    }
    const auto published = entry.path().parent_path() / study.published;
    EXPECT_TRUE(study.published.empty() || std::filesystem::exists(published)) << published;
  }
  EXPECT_GT(cells, 100u);
}

}  // namespace
}  // namespace millrace
