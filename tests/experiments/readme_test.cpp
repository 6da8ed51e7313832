// What README.md names is run as it stands after `make demo`: no data sets, no settings of one's own, every option at its default but for those
// that keep a measurement short.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const std::string kQuickstart = MILLRACE_SOURCE_DIR "/experiments/specs/quickstart.toml";

/// "train", "bench loader", "bench step", ... of the lines of a text that begin with "millrace".
std::set<std::string> commands_in(const std::string& text) {
  std::set<std::string> out;
  std::istringstream lines(std::regex_replace(text, std::regex(" \\| "), "|"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string program, command, kinds;
    words >> program >> command >> kinds;
    if (program != "millrace") continue;
    if (std::ranges::any_of(kinds, [](char c) { return c != '|' && !std::islower(static_cast<unsigned char>(c)); })) {
      out.insert(command);
      continue;
    }
    std::istringstream parts(kinds);
    for (std::string kind; std::getline(parts, kind, '|');) out.insert(command + " " + kind);
  }
  return out;
}

std::string readme() {
  std::ifstream in(MILLRACE_SOURCE_DIR "/README.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

class Readme : public Program {
 protected:
  /// A command of README.md with its defaults, in little time: fewer images, short windows.
  std::map<std::string, std::vector<std::string>> commands() {
    const std::vector<std::string> short_run{"--set", "data.subset=256", "--set", "train.epochs=1"};
    const auto with = [](std::vector<std::string> a, const std::vector<std::string>& b) {
      a.insert(a.end(), b.begin(), b.end());
      return a;
    };
    return {{"train", with({"train", kQuickstart, "--out", out()}, short_run)},
            {"study", with({"study", kQuickstart, "--out", out(), "--only", "augment.affine=true", "--only", "loader.workers=1"}, short_run)},
            {"bench loader", with({"bench", "loader", kQuickstart, "--seconds", "0.05"}, short_run)},
            {"bench step", with({"bench", "step", kQuickstart, "--seconds", "0.05"}, short_run)},
            {"profile", with({"profile", kQuickstart, "--seconds", "0.5"}, short_run)},
            {"tune", with({"tune", kQuickstart, "--seconds", "0.5"}, short_run)},
            {"compare", with({"compare", kQuickstart, "--repeats", "1", "--seconds", "0.05"}, short_run)},
            {"view", with({"view", kQuickstart, "--out", (folder_ / "sheet.png").string()}, short_run)},
            {"report", {"report", MILLRACE_SOURCE_DIR "/experiments/results/quickstart"}},
            {"data list", {"data", "list"}},
            {"data check", {"data", "check"}}};
  }
};

TEST_F(Readme, NamesNoCommandThatIsNotRunHere) {
  std::set<std::string> known;
  for (const auto& [name, arguments] : commands()) known.insert(name);
  const std::string text = readme(), use = text.substr(text.find("\n## Use\n"), text.find("\n## From one device") - text.find("\n## Use\n"));
  EXPECT_EQ(commands_in(use), known);
}

TEST_F(Readme, NamesCommandsThatWorkWithoutData) {
  for (const auto& [name, arguments] : commands()) {
    if (name == "compare" || name == "report") continue;  // Tests of their own.
    EXPECT_EQ(run(arguments), 0) << "millrace " << name << ":\n" << text("stderr");
    std::filesystem::remove_all(out());
  }
}

TEST_F(Readme, NamesAReportThatCanBeMadeAgain) {
  std::filesystem::create_directories(out());
  std::filesystem::copy_file(MILLRACE_SOURCE_DIR "/experiments/results/quickstart/results.jsonl", out() + "/results.jsonl");
  EXPECT_EQ(run({"report", out()}), 0) << text("stderr");
}

TEST_F(Readme, NamesAComparisonThatWorksOrSaysWhatToInstall) {
  const int status = run(commands()["compare"]);
  if (status == 0)
    EXPECT_THAT(text("stdout"), HasSubstr("dataloader"));
  else
    EXPECT_THAT(text("stderr"), HasSubstr("make compare-deps")) << text("stderr");
}

TEST_F(Readme, HelpOfEveryCommandSaysItsDefaults) {
  for (const auto& [name, arguments] : commands()) {
    std::vector<std::string> help{arguments[0]};
    if (name.find(' ') != std::string::npos) help.push_back(arguments[1]);
    help.push_back("--help");
    EXPECT_EQ(run(help), 0) << name;
    EXPECT_THAT(text("stdout"), HasSubstr("--help")) << name;
  }
}

}  // namespace
}  // namespace millrace
