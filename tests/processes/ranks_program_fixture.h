#pragma once
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "../experiments/program_fixture.h"
#include "experiments/records.h"
#include "train/socket.h"

namespace millrace {

using namespace std::chrono_literals;

/// The program as ranks, however they are started.
class RanksOfTheProgram : public Program {
 protected:
  RanksOfTheProgram() {
    for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}) unsetenv(name);
    // Loopback of whoever runs the tests, whatever the host's name resolves to.
    setenv("GLOO_SOCKET_IFNAME", "lo", 1);
  }
  std::string small(const std::string& more = "", const std::string& loader = "", const std::string& batch = "batch = 60") {
    return spec("[data]\nname = \"digits\"\nsubset = 600\n" + batch + "\n[loader]\nworkers = 0\n" + loader +
                "[train]\nmodel = \"lenet\"\nthreads = 1\nseed = 1\ndevice = \"cpu\"\n" + more);
  }
  std::string endless() { return small("epochs = 100000\nevaluate_every = 0\npeer_timeout = 20\n"); }
  Json epoch(const std::string& folder) {
    for (const Json& record : read_records(folder, true))
      if (record["type"] == "epoch") return record;
    return nullptr;
  }
  bool runs_shell(const std::string& command) { return system(command.c_str()) == 0; }
  /// Waits until a file holds a word, at most a minute.
  bool appears(const char* file, const std::string& word) {
    for (int i = 0; i < 600; ++i, std::this_thread::sleep_for(100ms))
      if (text(file).find(word) != std::string::npos) return true;
    return false;
  }
  std::vector<pid_t> children_of(pid_t parent) {
    std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
    std::vector<pid_t> out;
    for (pid_t child; in >> child;) out.push_back(child);
    return out;
  }
  /// Or dead, where whoever inherits orphans does not bury them.
  static bool is_gone(pid_t process) {
    std::ifstream in("/proc/" + std::to_string(process) + "/stat");
    std::string all;
    std::getline(in, all);
    const auto name_end = all.rfind(") ");
    return name_end == std::string::npos || all[name_end + 2] == 'Z' || all[name_end + 2] == 'X';
  }
  bool all_gone(const std::vector<pid_t>& processes) {
    return comes_true([&] { return std::ranges::all_of(processes, is_gone); }, 100ms);
  }
  /// The same run by threads of one process, to compare with.
  Json by_threads(const std::string& path, const char* ranks) {
    const std::string folder = (folder_ / "threads").string();
    EXPECT_EQ(run({"train", path, "--out", folder, "--ranks", ranks}), 0) << text("stderr");
    return epoch(folder);
  }
  /// Runs a shell command line with {millrace} and {spec} and {out} filled in; output as the program's.
  int shell(std::string command) {
    const auto fill = [&](const std::string& name, const std::string& value) {
      for (auto at = command.find(name); at != std::string::npos; at = command.find(name)) command.replace(at, name.size(), value);
    };
    fill("{millrace}", MILLRACE_PROGRAM);
    fill("{spec}", (folder_ / "spec.toml").string());
    fill("{out}", out());
    const int status = system(("( " + command + " ) >" + (folder_ / "stdout").string() + " 2>" + (folder_ / "stderr").string()).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void equals(const Json& a, const Json& b) {
    ASSERT_TRUE(a.is_object() && b.is_object());
    EXPECT_EQ(a["digest"], b["digest"]);
    EXPECT_EQ(a["images"], b["images"]);
    EXPECT_NEAR(a["weights_norm"].get<double>(), b["weights_norm"].get<double>(), 1e-5);
    EXPECT_EQ(a["scored"], b["scored"]);
  }
};

}  // namespace millrace
