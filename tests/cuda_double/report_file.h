#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace millrace {

/// What processes on the double wrote to CUDA_DOUBLE_REPORT: a line a finding, and a line of counts of each process that came to its end.
class DoubleReport {
 public:
  DoubleReport() = default;
  explicit DoubleReport(const std::filesystem::path& file) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
      auto record = nlohmann::json::parse(line);
      (record["type"] == "finding" ? findings_ : processes_).push_back(std::move(record));
    }
  }

  const std::vector<nlohmann::json>& all_findings() const { return findings_; }
  std::size_t findings(const std::string& kind) const {
    std::size_t n = 0;
    for (const auto& finding : findings_) n += finding["kind"] == kind;
    return n;
  }
  /// One a process that came to its end: `pid contexts findings counts`.
  const std::vector<nlohmann::json>& processes() const { return processes_; }
  /// Of all processes together.
  std::uint64_t counted(const std::string& what) const {
    std::uint64_t n = 0;
    for (const auto& process : processes_) n += process["counts"].value(what, std::uint64_t{0});
    return n;
  }
  /// The findings, to be read.
  std::string text() const {
    std::string all;
    for (const auto& finding : findings_) all += finding.dump(1) + "\n";
    return all;
  }

 private:
  std::vector<nlohmann::json> findings_, processes_;
};

}  // namespace millrace
