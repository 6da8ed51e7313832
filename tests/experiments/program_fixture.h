#pragma once
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "experiments/records.h"

namespace millrace {

/// The built program, run as a user runs it, in a folder of its own.
class Program : public testing::Test {
 protected:
  Program() {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ranges::replace(name, '/', '_');  // Of a test with a parameter: a folder within one that nobody would remove.
    folder_ = std::filesystem::temp_directory_path() / ("millrace_program_" + std::to_string(getpid()) + "_" + name);
    std::filesystem::remove_all(folder_);  // Left by a process of the same number that was killed.
    std::filesystem::create_directories(folder_);
  }
  ~Program() override {
    for (const pid_t child : running_) kill(child, SIGKILL), waitpid(child, nullptr, 0);  // An endless run would outlive a test that gave up.
    std::filesystem::remove_all(folder_);
  }

  std::string spec(const std::string& text) {
    const std::string path = (folder_ / "spec.toml").string();
    std::ofstream(path) << text;
    return path;
  }
  std::string out() const { return (folder_ / "out").string(); }

  pid_t start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), MILLRACE_PROGRAM);
    const std::string out_file = (folder_ / "stdout").string(), err_file = (folder_ / "stderr").string();
    const pid_t child = fork();
    if (child > 0) running_.push_back(child);
    if (child != 0) return child;
    signal(SIGHUP, SIG_DFL);  // Whoever runs the tests may ignore it (nohup), and what is ignored is inherited.
    setenv("MILLRACE_DATA", (folder_ / data_root_).c_str(), 1);
    dup2(open(out_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 1);
    dup2(open(err_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
    std::vector<char*> pointers;
    for (auto& a : arguments) pointers.push_back(a.data());
    pointers.push_back(nullptr);
    execv(MILLRACE_PROGRAM, pointers.data());
    _exit(127);
  }
  int finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    std::erase(running_, child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int run(std::vector<std::string> arguments) { return finish(start(std::move(arguments))); }
  std::string text(const char* file) {
    std::ifstream in(folder_ / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Whether it comes true within a minute: a busy machine's time, of which a quiet one takes little.
  template <class Condition>
  static bool comes_true(Condition&& condition, std::chrono::milliseconds pause = std::chrono::milliseconds(10)) {
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + std::chrono::minutes(1); Clock::now() < end; std::this_thread::sleep_for(pause))
      if (condition()) return true;
    return condition();
  }
  bool says(const char* words) {
    return comes_true([&] { return text("stderr").find(words) != std::string::npos; });
  }
  Json last_line() {
    const std::string all = text("stdout");
    const auto end = all.find_last_not_of('\n'), begin = all.rfind('\n', end);
    return Json::parse(all.substr(begin == std::string::npos ? 0 : begin + 1, end - begin), nullptr, false);
  }
  std::filesystem::path folder_;
  const char* data_root_ = "nothing";  ///< In the folder.

 private:
  std::vector<pid_t> running_;
};

}  // namespace millrace
