#include "experiments/processes.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stop_token>

#include "experiments/host.h"
#include "experiments/launch.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"

extern char** environ;

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

[[noreturn]] void no(const char* what) {
  throw Error(ErrorKind::communication, std::string("--processes: no ") + what + " can be had: " + std::strerror(errno),
              "is a limit (ulimit -u, ulimit -n) reached?");
}

struct Descriptor {
  explicit Descriptor(int value = -1) : fd(value) {}
  Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

/// Where rank 0 will serve the store. Listening begins here, so that nobody can take the port in between.
Descriptor store_listener(int& port) {
  Descriptor out(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (out.fd < 0 || bind(out.fd, reinterpret_cast<sockaddr*>(&address), length) || listen(out.fd, 256) ||
      getsockname(out.fd, reinterpret_cast<sockaddr*>(&address), &length))
    no("port on 127.0.0.1");
  port = ntohs(address.sin_port);
  return out;
}

/// Null-terminated pointers, made before fork: after it nothing may be allocated.
class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
  }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

std::vector<std::string> environment_of(int rank, int count, int port, int listener, const std::string& run) {
  static const char* const kOurs[] = {"RANK=", "WORLD_SIZE=", "LOCAL_RANK=", "LOCAL_WORLD_SIZE=", "MASTER_ADDR=", "MASTER_PORT=", "MILLRACE_RUN_ID=",
                                      "MILLRACE_LISTEN_FD=", "TORCHELASTIC_", "GROUP_RANK=", "GLOO_SOCKET_IFNAME="};
  std::vector<std::string> out;
  for (char** at = environ; *at; ++at)
    if (std::none_of(std::begin(kOurs), std::end(kOurs), [&](const char* name) { return std::string_view(*at).starts_with(name); }))
      out.emplace_back(*at);
  const auto add = [&](const char* name, const std::string& value) { out.push_back(name + value); };
  add("RANK=", std::to_string(rank));
  add("LOCAL_RANK=", std::to_string(rank));
  add("WORLD_SIZE=", std::to_string(count));
  add("LOCAL_WORLD_SIZE=", std::to_string(count));
  add("MASTER_ADDR=", "127.0.0.1");
  add("MASTER_PORT=", std::to_string(port));
  add("MILLRACE_RUN_ID=", run);
  if (rank == 0) add("MILLRACE_LISTEN_FD=", std::to_string(listener));
  return out;
}

/// A child process. Signals go through its descriptor: a number could have been given to another process meanwhile.
class Child {
 public:
  Child(int rank, const Words& arguments, const Words& environment, int keep_open) : rank_(rank) {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) no("process");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != parent) _exit(128 + SIGTERM); // It died before that.
      setpgid(0, 0);                                 // Ctrl-C reaches the parent, which passes it on: once.
      if (keep_open >= 0) fcntl_keep(keep_open);
      execve("/proc/self/exe", arguments.get(), environment.get());
      _exit(127);
    }
    // glibc 2.36 declares its functions for C alone.
    handle_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (handle_.fd < 0) no("handle of a process");
  }
  Child(Child&& other) noexcept : rank_(other.rank_), pid_(std::exchange(other.pid_, -1)), handle_(std::move(other.handle_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL); // Not yet waited for, so the number is still its own.
    waitpid(pid_, nullptr, 0);
  }
  int rank() const { return rank_; }
  int fd() const { return handle_.fd; }
  void signal(int number) const { syscall(SYS_pidfd_send_signal, handle_.fd, number, nullptr, 0); }
  int collect() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  static void fcntl_keep(int fd) {
    // A duplicate of itself without FD_CLOEXEC.
    const int copy = dup(fd);
    dup2(copy, fd);
    close(copy);
  }
  int rank_;
  pid_t pid_ = -1;
  Descriptor handle_;
};

/// Ranks take up to 25 s for a step and a checkpoint; a second signal would end them at once.
constexpr auto kStop = 27s;

bool was_stopped(const RankEnd& end) { return WIFEXITED(end.status) && WEXITSTATUS(end.status) > 128; }

std::string text_of(const RankEnd& end) {
  const std::string name = "rank " + std::to_string(end.rank);
  if (was_stopped(end)) return name + " was stopped by " + name_of_signal(WEXITSTATUS(end.status) - 128);
  if (WIFSIGNALED(end.status)) return name + " was ended by " + (WTERMSIG(end.status) == SIGINT ? "SIGINT" : name_of_signal(WTERMSIG(end.status)));
  return name + " ended with exit code " + std::to_string(WEXITSTATUS(end.status));
}

int code_of(const RankEnd& end) { return WIFSIGNALED(end.status) ? exit_code(ErrorKind::communication) : WEXITSTATUS(end.status); }

/// Waits for all, and ends those that are left when one has failed.
class Watch {
 public:
  Watch(std::vector<Child> children, Signals& signals) : children_(std::move(children)), signals_(signals), bell_(eventfd(0, EFD_CLOEXEC)), question_(eventfd(0, EFD_CLOEXEC)) {
    if (bell_.fd < 0 || question_.fd < 0) no("event descriptor");
    signals_.on_report([fd = question_.fd] { eventfd_write(fd, 1); });
  }
  ~Watch() { signals_.on_report({}); }

  std::vector<RankEnd> run() {
    const int bell = bell_.fd;
    const std::stop_callback ring(signals_.token(), [bell] { eventfd_write(bell, 1); });
    while (!children_.empty()) {
      std::vector<pollfd> polls{{told_ ? -1 : bell_.fd, POLLIN, 0}, {question_.fd, POLLIN, 0}};
      for (const Child& child : children_) polls.push_back({child.fd(), POLLIN, 0});
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next_ - Clock::now()).count();
      poll(polls.data(), polls.size(), failing_ ? static_cast<int>(std::clamp<long>(left, 0, 60'000)) : -1);
      if (polls[0].revents) pass_on();
      if (polls[1].revents) ask();
      for (std::size_t i = children_.size(); i-- > 0;)
        if (polls[i + 2].revents) collect(i);
      if (failing_ && Clock::now() >= next_) press();
    }
    return ends_;
  }

 private:
  void pass_on() {
    told_ = true;
    for (const Child& child : children_) child.signal(signals_.received() ? signals_.received() : SIGTERM);
    failing_ = true;
    next_ = Clock::now() + kStop;
  }
  /// Where everything is: each rank says it for itself.
  void ask() {
    eventfd_t times = 0;
    eventfd_read(question_.fd, &times);
    for (const Child& child : children_) child.signal(SIGUSR1);
  }
  void collect(std::size_t index) {
    const RankEnd end{children_[index].rank(), children_[index].collect()};
    std::vector<Child> rest;
    for (std::size_t i = 0; i < children_.size(); ++i)
      if (i != index) rest.push_back(std::move(children_[i]));
    children_.swap(rest);
    if (!pressed_) ends_.push_back(end); // What we ended ourselves explains nothing.
    if (end.status == 0 || failing_) return;
    failing_ = true;
    // They notice by themselves, and say so in their own words; where one was asked to stop, all of them do.
    next_ = Clock::now() + (was_stopped(end) ? kStop : 2s);
  }
  /// First asked, then ended.
  void press() {
    for (const Child& child : children_) child.signal(pressed_ ? SIGKILL : SIGTERM);
    pressed_ = true;
    next_ = Clock::now() + 2s;
  }

  std::vector<Child> children_;
  Signals& signals_;
  Descriptor bell_, question_;
  std::vector<RankEnd> ends_;
  bool told_ = false, failing_ = false, pressed_ = false;
  Clock::time_point next_{};
};

}  // namespace

int run_processes(int count, const std::vector<std::string>& arguments, Signals& signals, Reporter& out) {
  require_open_files(count); // For the ranks, who inherit the limit: said once.
  signals.extend_patience(30s); // The ranks' own patience is shorter.
  int port = 0;
  const Descriptor listener = store_listener(port);
  const std::string run = now_utc() + "." + std::to_string(getpid());
  std::vector<Child> children;
  for (int rank = 0; rank < count; ++rank)
    children.emplace_back(rank, Words(arguments), Words(environment_of(rank, count, port, listener.fd, run)), rank == 0 ? listener.fd : -1);
  const std::vector<RankEnd> ends = Watch(std::move(children), signals).run();
  const RankEnd* cause = first_cause(ends);
  if (!cause) signals.came_too_late();
  if (!cause || signals.received()) return 0; // main says what stopped it.
  out.note("millrace: " + text_of(*cause) + (count > 1 ? ": the run is over for all " + std::to_string(count) + " ranks" : ""));
  return code_of(*cause);
}

}  // namespace millrace
