// The program killed at random moments and started again with --resume auto, until it is done: the bytes of an unbroken run.
#include <sys/mount.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <thread>

#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

int repeats() {
  const char* text = std::getenv("MILLRACE_TEST_REPEATS");
  return text ? std::max(1, std::atoi(text)) : 1;
}

class Killed : public Program {
 protected:
  /// Some seconds of steps, a checkpoint every few: kills fall into steps, writes, removals, evaluations.
  std::string long_spec() {
    return spec(R"([data]
name = "digits"
subset = 2000
batch = 20
[train]
model = "lenet"
optimizer = "adam"
epochs = 3
evaluate_every = 3
threads = 1
checkpoint_every_steps = 7
)");
  }
  std::vector<std::string> command(const std::string& spec, const std::string& folder, std::vector<std::string> more = {}) {
    std::vector<std::string> all{"train", spec, "--out", folder};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static std::string bytes(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string end_of(const std::string& folder) {
    const fs::path last = fs::path(folder) / "checkpoints" / "step-000000300";
    return bytes(last / "weights.safetensors") + bytes(last / "optimizer.safetensors");
  }
  /// What the last record of each epoch says beside times.
  static std::string facts(const std::string& folder) {
    std::map<int, std::string> of;
    for (const Json& record : read_records(folder)) {
      if (record["type"] != "epoch" || !record["complete"].get<bool>()) continue;
      std::string text;
      for (const char* key : {"images", "steps", "loss", "digest", "weights_norm", "accuracy"}) text += record[key].dump() + " ";
      of[record["epoch"].get<int>()] = text;
    }
    std::string all;
    for (const auto& [epoch, text] : of) all += std::to_string(epoch) + ": " + text + "\n";
    return all;
  }

  /// Starts a run with these arguments again and again, `strike` at random moments, until it is done.
  void expect_unbroken_bytes(const std::vector<std::string>& arguments, const std::function<void(pid_t, std::mt19937&)>& strike) {
    const std::string path = long_spec(), whole = (folder_ / "whole").string();
    const auto began = std::chrono::steady_clock::now();
    ASSERT_EQ(run(command(path, whole, arguments)), 0) << text("stderr");
    const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const std::string expected = end_of(whole), expected_facts = facts(whole);
    ASSERT_FALSE(expected.empty());
    const unsigned seed = std::random_device{}();
    std::mt19937 random(seed);
    for (int repeat = 0, strikes = 0; repeat < repeats(); ++repeat) {
      fs::remove_all(out());
      int status = -1;
      std::string log;
      for (int attempt = 0; attempt < 60 && status != 0; ++attempt) {
        std::vector<std::string> more{"--resume", "auto"};
        more.insert(more.end(), arguments.begin(), arguments.end());
        const pid_t child = start(command(path, out(), more));
        const bool struck = attempt < 3;
        if (struck) {
          std::this_thread::sleep_for(std::chrono::duration<double>(std::uniform_real_distribution<double>(0, took)(random)));
          strike(child, random);
        }
        status = finish(child);
        log += "attempt " + std::to_string(attempt) + " ended with " + std::to_string(status) + "\n" + text("stderr");
        strikes += status != 0;
        ASSERT_TRUE(status == 0 || struck) << log;
      }
      ASSERT_EQ(status, 0) << log;
      EXPECT_EQ(end_of(out()), expected) << "seed " << seed << "\n" << log;
      EXPECT_EQ(facts(out()), expected_facts) << "seed " << seed << "\n" << log;
      std::cout << "repeat " << repeat << ": " << strikes << " struck so far\n";
    }
  }
};

TEST_F(Killed, AtRandomMomentsARunEndsInTheBytesOfAnUnbrokenOne) {
  expect_unbroken_bytes({}, [](pid_t program, std::mt19937&) { kill(program, SIGKILL); });
}

TEST_F(Killed, ARandomRankAtARandomMomentARunOfProcessesEndsInTheBytesOfAnUnbrokenOne) {
  setenv("GLOO_SOCKET_IFNAME", "lo", 1);
  expect_unbroken_bytes({"--processes", "2", "--set", "train.peer_timeout=20"}, [](pid_t launcher, std::mt19937& random) {
    std::ifstream in("/proc/" + std::to_string(launcher) + "/task/" + std::to_string(launcher) + "/children");
    std::vector<pid_t> ranks;
    for (pid_t rank; in >> rank;) ranks.push_back(rank);
    if (!ranks.empty()) kill(ranks[random() % ranks.size()], SIGKILL);
  });
}

TEST_F(Killed, ByTheSignalOfASchedulerItGoesOnFromWhereItStopped) {
  const std::string path = long_spec();
  // A busy machine may let the run end before it hears the signal: then it is run again.
  int status = 0;
  for (int attempt = 0; attempt < 20 && status == 0; ++attempt) {
    fs::remove_all(out());
    const pid_t child = start(command(path, out(), {"--set", "train.checkpoint_every_steps=100"}));
    ASSERT_TRUE(comes_true([&] { return fs::exists(fs::path(out()) / "checkpoints/step-000000100"); })) << text("stderr");
    kill(child, SIGTERM);
    status = finish(child);
  }
  ASSERT_EQ(status, 143) << text("stderr");
  ASSERT_EQ(run(command(path, out(), {"--resume", "auto"})), 0) << text("stderr");
  ASSERT_EQ(run(command(path, (folder_ / "whole").string())), 0);
  EXPECT_EQ(end_of(out()), end_of((folder_ / "whole").string()));
  EXPECT_EQ(facts(out()), facts((folder_ / "whole").string()));
}

class Refused : public Killed {
 protected:
  std::string short_spec(const std::string& more = "") {
    return spec("[data]\nname = \"digits\"\nsubset = 64\n[train]\nmodel = \"toy\"\nthreads = 1\nevaluate_every = 0\ncheckpoint_every = 1\n" + more);
  }
};

TEST_F(Refused, ACompleteRunHasNothingLeftToDo) {
  const std::string path = short_spec();
  ASSERT_EQ(run(command(path, out(), {"--resume", "auto"})), 0) << text("stderr");
  EXPECT_NE(text("stderr").find("yet: the run begins"), std::string::npos) << text("stderr");
  const std::string records = bytes(fs::path(out()) / "results.jsonl");
  ASSERT_EQ(run(command(path, out(), {"--resume", "auto"})), 0) << text("stderr");
  EXPECT_NE(text("stderr").find("is complete: nothing is left to do"), std::string::npos) << text("stderr");
  EXPECT_EQ(bytes(fs::path(out()) / "results.jsonl"), records);
}

TEST_F(Refused, EachWithOneLineAndItsStatus) {
  const std::string path = short_spec();
  ASSERT_EQ(run(command(path, out())), 0) << text("stderr");
  const auto refused = [&](std::vector<std::string> more, const std::string& because) {
    const int status = run(command(path, out(), std::move(more)));
    const std::string said = text("stderr");
    EXPECT_NE(said.find(because), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), said.find("hint: ") == std::string::npos ? 1 : 2) << said;
    return status;
  };
  EXPECT_EQ(refused({}, "an earlier run left its checkpoints here"), 2);
  EXPECT_EQ(refused({"--resume", "auto", "--set", "train.lr=0.5"}, "of another run: train.lr is 0.01 there, 0.5 here"), 2);
  EXPECT_EQ(refused({"--resume", "nowhere"}, "nowhere: no such checkpoint"), 3);
  fs::resize_file(fs::path(out()) / "checkpoints/step-000000001/weights.safetensors", 99);
  EXPECT_EQ(refused({"--resume", "auto"}, "no checkpoint is whole"), 3);
}

TEST_F(Refused, AFullDiskKeepsTheCheckpointBefore) {
  const fs::path disk = folder_ / "disk";
  fs::create_directory(disk);
  // Room for one checkpoint of the toy and a half.
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=120k") != 0) GTEST_SKIP() << "a small file system needs root";
  const std::string path = short_spec("epochs = 1\nkeep_checkpoints = 5\n"), out = (disk / "out").string();
  EXPECT_EQ(run(command(path, out)), 0) << text("stderr");
  const int status = run(command(path, out, {"--resume", "auto", "--set", "train.epochs=3"}));
  const std::string said = text("stderr");
  const auto left = read_records(out);
  const bool first_there = fs::exists(disk / "out/checkpoints/step-000000001/sums.xxh128");
  umount(disk.c_str());
  EXPECT_EQ(status, 3) << said;
  EXPECT_NE(said.find("warning: a checkpoint could not be written"), std::string::npos) << said;
  EXPECT_NE(said.find("No space left on device"), std::string::npos) << said;
  EXPECT_TRUE(first_there);
  EXPECT_EQ(std::count_if(left.begin(), left.end(), [](const Json& r) { return r["type"] == "epoch"; }), 4)
      << "training went on, and the first epoch, whose end was resumed, is on record twice";
}

}  // namespace
}  // namespace millrace
