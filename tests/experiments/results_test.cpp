// The committed results say what today's program says of the same records: otherwise experiments/render_results.sh makes them anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "experiments/document.h"
#include "experiments/published.h"
#include "experiments/report.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

const fs::path kResults = MILLRACE_SOURCE_DIR "/experiments/results", kPublished = MILLRACE_SOURCE_DIR "/experiments/published";

std::vector<std::string> folders_with(const char* file) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(kResults))
    if (fs::exists(entry.path() / file)) out.push_back(entry.path().filename().string());
  std::ranges::sort(out);
  return out;
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string test_name(const testing::TestParamInfo<std::string>& folder) {
  std::string name = folder.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

class RecordedResults : public testing::TestWithParam<std::string> {
 protected:
  RecordedResults() {
    fs::remove_all(again_);
    fs::create_directories(again_);
  }
  ~RecordedResults() override { fs::remove_all(again_.parent_path()); }

  void expect_equal(const std::string& file) const {
    EXPECT_TRUE(content(recorded_ / file) == content(again_ / file))
        << (recorded_ / file) << " is not what the program says of its records: run experiments/render_results.sh and commit what it changes";
  }
  /// By their programs: pictures differ with gnuplot's version.
  void expect_equal_plots() const {
    for (const auto& entry : fs::directory_iterator(again_))
      if (entry.path().extension() == ".gp") expect_equal(entry.path().filename().string());
  }
  static void fail(const std::string& warning) { ADD_FAILURE() << warning; }

  const fs::path recorded_ = kResults / GetParam();
  const fs::path again_ = fs::temp_directory_path() / ("millrace_results_" + std::to_string(getpid()) + "_" + GetParam()) / GetParam();
};

class RecordedRuns : public RecordedResults {};

TEST_P(RecordedRuns, AreReportedAsTheProgramReportsThemToday) {
  fs::copy_file(recorded_ / "results.jsonl", again_ / "results.jsonl");
  write_report(again_.string(), fail);
  expect_equal("report.md");
  expect_equal_plots();
}

INSTANTIATE_TEST_SUITE_P(Folders, RecordedRuns, testing::ValuesIn(folders_with("results.jsonl")), test_name);

class PublishedFigures : public RecordedResults {};

TEST_P(PublishedFigures, AreJudgedAsTheProgramJudgesThemToday) {
  const std::string figures = (kPublished / (GetParam() + ".toml")).string();
  write_published(again_.string(), read_published(figures, read_toml(figures)), fail);
  expect_equal("published.md");
  expect_equal_plots();
}

INSTANTIATE_TEST_SUITE_P(Folders, PublishedFigures, testing::ValuesIn(folders_with("published.md")), test_name);

}  // namespace
}  // namespace millrace
