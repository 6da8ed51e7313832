// The program as ranks: started by itself, and by the launchers that people have.
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
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class RanksOfTheProgram : public Program {
 protected:
  RanksOfTheProgram() {
    for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}) unsetenv(name);
    // Loopback of whoever runs the tests, whatever the host's name resolves to.
    setenv("GLOO_SOCKET_IFNAME", "lo", 1);
  }
  std::string small(const std::string& more = "", const std::string& loader = "") {
    return spec("[data]\nname = \"digits\"\nsubset = 600\nbatch = 60\n[loader]\nworkers = 0\n" + loader +
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

TEST_F(RanksOfTheProgram, ProcessesTrainAsThreadsDo) {
  const std::string path = small();
  const Json threads = by_threads(path, "2");
  ASSERT_EQ(run({"train", path, "--out", out(), "--processes", "2"}), 0) << text("stderr");
  equals(epoch(out()), threads);
  EXPECT_EQ(epoch(out())["ranks"].size(), 2u);
  EXPECT_THAT(text("stderr"), HasSubstr("2 ranks (gloo)"));
  EXPECT_EQ(read_records(out()).size(), 3u) << "run, epoch, end: of rank 0 alone";
}

TEST_F(RanksOfTheProgram, AKilledRankEndsTheRunByName) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  std::this_thread::sleep_for(300ms);
  kill(ranks[1], SIGKILL);
  EXPECT_EQ(finish(parent), 5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 0: rank 1 is gone"));
  EXPECT_THAT(text("stderr"), HasSubstr("rank 1 was ended by SIGKILL"));
  EXPECT_TRUE(all_gone(ranks));
  EXPECT_EQ(read_records(out()).back()["outcome"], "failed");
}

TEST_F(RanksOfTheProgram, NoRankOutlivesAParentThatIsKilled) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  ASSERT_EQ(ranks.size(), 2u);
  kill(parent, SIGKILL);
  finish(parent);
  EXPECT_TRUE(all_gone(ranks));
}

TEST_F(RanksOfTheProgram, ASignalStopsAllOfThem) {
  const pid_t parent = start({"train", endless(), "--out", out(), "--processes", "2"});
  ASSERT_TRUE(appears("stderr", "rank batch")) << text("stderr");
  const std::vector<pid_t> ranks = children_of(parent);
  std::this_thread::sleep_for(300ms);
  kill(parent, SIGTERM);
  EXPECT_EQ(finish(parent), 143);
  EXPECT_TRUE(all_gone(ranks));
  EXPECT_THAT(text("stderr"), HasSubstr("stopped by SIGTERM"));
}

TEST_F(RanksOfTheProgram, AnErrorInTheSpecIsSaidOnce) {
  EXPECT_EQ(run({"train", small("lrr = 1\n"), "--processes", "4"}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("unknown key 'train.lrr'"));
  EXPECT_EQ(text("stderr").find("millrace: "), text("stderr").rfind("millrace: "));
}

TEST_F(RanksOfTheProgram, ARankWithAnotherSpecIsNamedWithTheKey) {
  const std::string path = small();
  const int port = train::port_of(train::listen_at("127.0.0.1", 0));  // Free, a moment ago.
  const std::string common = "WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port);
  EXPECT_EQ(shell(common + " RANK=1 LOCAL_RANK=1 {millrace} train {spec} --set train.lr=0.5 2>&1 >/dev/null & " + common +
                  " RANK=0 LOCAL_RANK=0 {millrace} train {spec} --out {out}; status=$?; wait; exit $status"),
            5);
  EXPECT_THAT(text("stderr"), HasSubstr("rank 0: rank 1 differs in train.lr: 0.5, where rank 0 has 0.01"));
}

TEST_F(RanksOfTheProgram, HalfSetVariablesAreOneLine) {
  small();
  EXPECT_EQ(shell("WORLD_SIZE=2 RANK=0 {millrace} train {spec}"), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("millrace: RANK and WORLD_SIZE: LOCAL_RANK is not set"));
}

TEST_F(RanksOfTheProgram, OtherCommandsAreNotForRanks) {
  small();
  EXPECT_EQ(shell("WORLD_SIZE=2 RANK=0 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=1234 {millrace} bench loader {spec}"), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("only 'millrace train' runs on ranks"));
}

TEST_F(RanksOfTheProgram, TorchrunStartsItUnchanged) {
  const std::string torchrun = MILLRACE_TORCHRUN;
  if (!runs_shell(torchrun + " --help >/dev/null 2>&1")) GTEST_SKIP() << "no torchrun: Python has no torch";
  const Json threads = by_threads(small(), "2");
  ASSERT_EQ(shell(torchrun + " --no-python --nproc-per-node=2 --standalone {millrace} train {spec} --out {out}"), 0) << text("stderr");
  equals(epoch(out()), threads);
}

TEST_F(RanksOfTheProgram, MpirunStartsItUnchanged) {
  if (!runs_shell("mpirun --version >/dev/null 2>&1")) GTEST_SKIP() << "no mpirun: apt-get install openmpi-bin";
  const Json threads = by_threads(small(), "2");
  ASSERT_EQ(shell("mpirun --allow-run-as-root --oversubscribe -np 2 {millrace} train {spec} --out {out}"), 0) << text("stderr");
  equals(epoch(out()), threads);
}

TEST_F(RanksOfTheProgram, TwoHostsOverAShapedLinkTrainAsThreadsDo) {
  const Json threads = by_threads(small(), "2");
  const int status = shell("bash " MILLRACE_SOURCE_DIR "/tests/processes/two_namespaces.sh 200mbit {millrace} train {spec} --out {out}");
  if (status == 77) GTEST_SKIP() << "no network namespaces: not root, or no ip, tc or veth";
  ASSERT_EQ(status, 0) << text("stderr");
  equals(epoch(out()), threads);
}

}  // namespace
}  // namespace millrace
