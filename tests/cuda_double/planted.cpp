#include "tests/cuda_double/planted.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace millrace::testing {
namespace {

int failures() {
  const ::testing::TestResult& result = *::testing::UnitTest::GetInstance()->current_test_info()->result();
  int n = 0;
  for (int i = 0; i < result.total_part_count(); ++i) n += result.GetTestPartResult(i).failed();
  return n;
}

[[noreturn]] void child(const Environment& environment, const std::string& report, const std::function<void(int)>& body, int rank) {
  setenv("CUDA_DOUBLE_REPORT", report.c_str(), 1);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  if (!std::freopen("/dev/null", "w", stderr)) std::abort(); // Findings are wanted here, and read from the report.
  const int inherited = failures();
  body(rank);
  std::exit(failures() > inherited ? 1 : 0);
}

}  // namespace

std::vector<Outcome> in_processes(int n, const Environment& environment, const std::function<void(int)>& body) {
  std::vector<pid_t> children;
  const auto report_of = [](int rank) {
    return (std::filesystem::temp_directory_path() / ("cuda_double_test." + std::to_string(getpid()) + "." + std::to_string(rank))).string();
  };
  std::fflush(nullptr); // Or a child would write it, too.
  for (int rank = 0; rank < n; ++rank) {
    const std::string report = report_of(rank);
    const pid_t pid = fork();
    if (pid == 0) child(environment, report, body, rank);
    children.push_back(pid);
  }
  std::vector<Outcome> all;
  for (int rank = 0; rank < n; ++rank) {
    int status = 0;
    waitpid(children[static_cast<std::size_t>(rank)], &status, 0);
    all.push_back({WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), DoubleReport(report_of(rank))});
    std::filesystem::remove(report_of(rank));
  }
  return all;
}

}  // namespace millrace::testing
