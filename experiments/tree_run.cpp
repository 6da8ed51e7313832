#include "experiments/tree_run.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "experiments/text_file.h"
#include "pipeline/error.h"

extern char** environ;

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

[[noreturn]] void no(const std::string& what, int error) { throw Error(ErrorKind::internal, what + ": " + std::strerror(error)); }

/// A process and all that descend from it. One that ends meanwhile is left out.
std::vector<pid_t> tree_of(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
    std::ifstream in(entry.path() / "stat");
    std::string line;
    std::getline(in, line);
    const auto end = line.rfind(')');  // The name before it may hold anything.
    if (end == std::string::npos || line.size() < end + 5) continue;
    children.emplace(std::atoi(line.c_str() + end + 4), std::atoi(name.c_str()));
  }
  std::vector<pid_t> out{root};
  for (std::size_t i = 0; i < out.size(); ++i)
    for (auto [at, last] = children.equal_range(out[i]); at != last; ++at) out.push_back(at->second);
  return out;
}

std::uint64_t rss_of(pid_t pid) {
  std::uint64_t size = 0, resident = 0;
  std::ifstream("/proc/" + std::to_string(pid) + "/statm") >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
}

std::uint64_t pss_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; in >> word;) {
    std::uint64_t kib = 0;
    if (word == "Pss:" && in >> kib) return kib * 1024;
  }
  return 0;
}

std::uint64_t sum(const std::vector<pid_t>& tree, std::uint64_t (*of)(pid_t)) {
  std::uint64_t out = 0;
  for (const pid_t pid : tree) out += of(pid);
  return out;
}

/// A file without a name in the file system: what a child writes, read when it has ended.
class Capture {
 public:
  Capture() {
    std::string name = (fs::temp_directory_path() / "millrace-run-XXXXXX").string();
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) no("a temporary file", errno);
    unlink(name.c_str());
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { close(fd); }
  std::string text() const {
    constexpr off_t kMost = 1 << 24;
    std::string out(static_cast<std::size_t>(std::min(kMost, lseek(fd, 0, SEEK_END))), '\0');
    const ssize_t got = pread(fd, out.data(), out.size(), 0);
    out.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
    return out;
  }
  int fd = -1;
};

pid_t spawn(const std::vector<std::string>& command, const Capture& out, const Capture& err) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.fd, 1);
  posix_spawn_file_actions_adddup2(&files, err.fd, 2);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&how, &none);  // This program blocks what its signal thread takes; a child that blocked SIGTERM could not be ended.
  pid_t pid = 0;
  const int error = posix_spawn(&pid, words[0].c_str(), &files, &how, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&how);
  if (error) no(command[0] + " cannot be started", error);
  return pid;
}

}  // namespace

TreeRun run_tree(const std::vector<std::string>& command, std::chrono::milliseconds limit, std::stop_token stop) {
  constexpr auto kBetween = std::chrono::milliseconds(50);
  constexpr int kLooksAPss = 10;  // It makes the kernel walk over all pages.
  const Capture out, err;
  const pid_t pid = spawn(command, out, err);
  TreeRun run;
  const auto end = Clock::now() + limit;
  bool ours = true;  // Not where the kernel reaps by itself, since SIGCHLD was ignored when this program began: the number is then free for others.
  const auto ended = [&] {
    siginfo_t info{};
    ours = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    return !ours || info.si_pid == pid;
  };
  for (int look = 0; !ended(); ++look) {
    const std::vector<pid_t> tree = tree_of(pid);
    run.peak_rss_bytes = std::max(run.peak_rss_bytes, sum(tree, rss_of));
    if (look % kLooksAPss == kLooksAPss - 1) run.peak_pss_bytes = std::max(run.peak_pss_bytes, sum(tree, pss_of));
    run.timed_out = Clock::now() >= end;
    if (run.timed_out || stop.stop_requested()) break;
    std::this_thread::sleep_for(kBetween);
  }
  if (ours) kill(-pid, SIGKILL);  // With all that it started and left behind. Not yet waited for, so the number is still its own.
  int status = 0;
  waitpid(pid, &status, 0);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  run.out = out.text();
  run.err = err.text();
  return run;
}

}  // namespace millrace
