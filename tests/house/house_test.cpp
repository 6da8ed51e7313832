#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = MILLRACE_SOURCE_DIR;
const std::vector<std::string> kFolders = {"pipeline", "augment", "train", "datasets", "experiments"};

/// The product's sources of one folder, with their lines.
std::map<fs::path, std::vector<std::string>> sources_of(const std::string& folder) {
  std::map<fs::path, std::vector<std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) files[fs::relative(entry.path(), kRoot)].push_back(line);
  }
  return files;
}

/// What a folder may include from the others.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"pipeline", {"pipeline"}},
    {"datasets", {"pipeline", "datasets"}},
    {"augment", {"pipeline", "augment"}},
    {"train", {"pipeline", "train"}},
    {"experiments", {"pipeline", "augment", "train", "datasets", "experiments"}},
};

TEST(House, DependenciesPointAtThePipeline) {
  const std::regex include("^\\s*#\\s*include\\s*[<\"](\\w+)/");
  for (const std::string& folder : kFolders)
    for (const auto& [path, lines] : sources_of(folder))
      for (const std::string& line : lines) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        const std::string target = match[1];
        if (kMayInclude.contains(target)) {
          EXPECT_TRUE(kMayInclude.at(folder).contains(target)) << path << ": " << line;
        }
      }
}

TEST(House, HeavyDependenciesStayInTheirFolders) {
  const std::map<std::string, std::set<std::string>> home = {
      {"tbb", {"pipeline"}}, {"jpeglib.h", {"pipeline"}}, {"png.h", {"pipeline"}}, {"webp", {"pipeline"}}, {"opencv2", {"augment"}}, {"torch", {"train"}}, {"ATen", {"train"}},
      {"c10", {"train"}},    {"nccl.h", {"train"}},       {"gloo", {"train"}},      {"CLI", {"experiments"}}, {"toml", {"experiments"}}, {"nlohmann", {"experiments"}}};
  const std::regex include("^\\s*#\\s*include\\s*[<\"](?:oneapi/)?([\\w.]+?)[/+>\"]");
  for (const std::string& folder : kFolders)
    for (const auto& [path, lines] : sources_of(folder))
      for (const std::string& line : lines) {
        std::smatch match;
        if (std::regex_search(line, match, include) && home.contains(match[1])) {
          EXPECT_TRUE(home.at(match[1]).contains(folder)) << path << ": " << line;
        }
      }
}

TEST(House, OnlyExperimentsPrintsOrReadsTheEnvironment) {
  const std::regex forbidden("\\bstd::(cout|cerr)\\b|\\bf?printf\\s*\\(|\\bgetenv\\s*\\(|\\bputs\\s*\\(");
  for (const std::string& folder : kFolders) {
    if (folder == "experiments") continue;
    for (const auto& [path, lines] : sources_of(folder)) {
      if (path == "pipeline/contract.cpp") continue; // Its last words before abort().
      for (const std::string& line : lines) EXPECT_FALSE(std::regex_search(line, forbidden)) << path << ": " << line;
    }
  }
}

TEST(House, NoFileHoldsAPathOfSomebodysMachine) {
  const std::regex machine("/(work|root|home)/\\w");
  for (const std::string& folder : kFolders)
    for (const auto& [path, lines] : sources_of(folder))
      for (const std::string& line : lines) EXPECT_FALSE(std::regex_search(line, machine)) << path << ": " << line;
}

}  // namespace
