// Ranks as real processes over gloo: what they compute together, and what happens when one of them dies.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "pipeline/error.h"
#include "train/load.h"
#include "train/socket.h"

namespace millrace::train {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// A started rank_worker, its output in pipes. Killed where a test leaves it behind.
class Worker {
 public:
  Worker(std::vector<std::string> arguments, int keep_open) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) throw std::runtime_error("no pipe");
    arguments.insert(arguments.begin(), MILLRACE_RANK_WORKER);
    std::vector<char*> pointers;
    for (auto& a : arguments) pointers.push_back(a.data());
    pointers.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      dup2(err[1], 2);
      if (keep_open >= 0) fcntl(keep_open, F_SETFD, 0);
      setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 1);
      execv(MILLRACE_RANK_WORKER, pointers.data());
      _exit(127);
    }
    close(out[1]);
    close(err[1]);
    out_ = Descriptor(out[0]);
    err_ = Descriptor(err[0]);
  }
  Worker(Worker&& other) noexcept : pid_(std::exchange(other.pid_, 0)), out_(std::move(other.out_)), err_(std::move(other.err_)) {}
  ~Worker() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void signal(int number) const { kill(pid_, number); }
  /// finish() says how.
  bool ended() const {
    siginfo_t info{};
    return waitid(P_PID, id_t(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
  }
  bool joined() const {
    char word[8] = {};
    return read(out_.fd, word, 7) == 7 && std::string(word) == "joined\n";
  }
  /// Exit code, or the signal's negative; -1000 where it does not end within a minute.
  int finish() {
    for (const auto until = Clock::now() + 60s; Clock::now() < until; std::this_thread::sleep_for(10ms)) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    return -1000;
  }
  std::string error() const {
    std::string text(8192, '\0');
    const ssize_t got = read(err_.fd, text.data(), text.size());
    text.resize(got > 0 ? std::size_t(got) : 0);
    return text;
  }

 private:
  struct Descriptor {
    explicit Descriptor(int value = -1) : fd(value) {}
    Descriptor(Descriptor&& o) noexcept : fd(std::exchange(o.fd, -1)) {}
    Descriptor& operator=(Descriptor&& o) noexcept {
      std::swap(fd, o.fd);
      return *this;
    }
    ~Descriptor() {
      if (fd >= 0) close(fd);
    }
    int fd;
  };
  pid_t pid_ = 0;
  Descriptor out_, err_;
};

class Ranks : public testing::Test {
 protected:
  Ranks() : listener_(listen_at("127.0.0.1", 0)) { workers_.reserve(20); }  // References to them stay good.
  Worker& start(int rank, int size, const std::string& part, int number = 0, const std::string& run = "run", const char* timeout = "60") {
    workers_.push_back(Worker({std::to_string(rank), std::to_string(size), std::to_string(port_of(listener_)), std::to_string(listener_.fd()), run, timeout,
                               part, std::to_string(number)},
                              rank == 0 ? listener_.fd() : -1));
    return workers_.back();
  }
  void start_all(int size, const std::string& part, int number = 0, const char* timeout = "60") {
    for (int rank = 0; rank < size; ++rank) start(rank, size, part, number, "run", timeout);
  }
  void all_joined() {
    for (const Worker& worker : workers_) ASSERT_TRUE(worker.joined());
  }
  void survivors_name(int rank, const std::string& text) {
    for (std::size_t r = 0; r < workers_.size(); ++r) {
      if (int(r) == rank) continue;
      EXPECT_EQ(workers_[r].finish(), 5) << "rank " << r;
      EXPECT_THAT(workers_[r].error(), HasSubstr("rank " + std::to_string(rank) + text)) << "rank " << r;
    }
  }
  Socket listener_;
  std::vector<Worker> workers_;
};

class Calls : public Ranks, public testing::WithParamInterface<int> {};

TEST_P(Calls, SumsCopiesAndWordsAreRightOnEveryRank) {
  start_all(GetParam(), "calls");
  for (Worker& worker : workers_) EXPECT_EQ(worker.finish(), 0) << worker.error();
}
INSTANTIATE_TEST_SUITE_P(Gloo, Calls, testing::Values(1, 2, 4));

TEST_F(Ranks, AKilledRankIsNamedByThoseWhoWait) {
  start_all(4, "wait", 2);
  all_joined();
  workers_[2].signal(SIGKILL);
  survivors_name(2, " is gone");
}

TEST_F(Ranks, AKilledRankZeroIsNamedToo) {
  start_all(2, "wait", 0);
  all_joined();
  workers_[0].signal(SIGKILL);
  survivors_name(0, " is gone");
}

TEST_F(Ranks, ARankKilledInTheMidstOfSumsIsNamed) {
  start_all(4, "busy");
  all_joined();
  std::this_thread::sleep_for(50ms);
  workers_[3].signal(SIGKILL);
  survivors_name(3, " is gone");
}

TEST_F(Ranks, AStoppedRankIsNamedWithinTheTimeOut) {
  start_all(2, "busy", 0, "5");
  all_joined();
  workers_[1].signal(SIGSTOP);
  survivors_name(1, " has been silent for 5 s");
}

TEST_F(Ranks, AHungRankIsNamedWithinTheTimeOut) {
  start_all(2, "wait", 1, "5");
  survivors_name(1, " lives, but has not come");
}

TEST_F(Ranks, ACauseReachesRanksThatWait) {
  start_all(4, "abort", 3);
  survivors_name(3, ": the loss is not a number");
  EXPECT_EQ(workers_[3].finish(), 5);
}

TEST_F(Ranks, ARankThatEndsWhileOthersWaitIsNamed) {
  start_all(2, "leave", 1, "20");
  survivors_name(1, " has left the run");
  EXPECT_EQ(workers_[1].finish(), 0);
}

TEST_F(Ranks, OneWithoutAGpuAmongThoseWithOneIsNamedWithTheReason) {
  start_all(3, "mixed", 0);
  for (Worker& worker : workers_) {
    EXPECT_EQ(worker.finish(), 4);
    EXPECT_THAT(worker.error(), HasSubstr("rank 1 has no GPU (there is no NVIDIA driver here), where rank 0 has one"));
  }
}

TEST_F(Ranks, StrangersAtThePortAreNotCounted) {
  start(0, 2, "calls");
  std::vector<Socket> strangers;
  for (const std::string text : {"", "GET / HTTP/1.1\r\n\r\n", "\x00\xff\x00\xff"}) {
    strangers.push_back(connect_to("127.0.0.1", port_of(listener_), Clock::now() + 5s));
    EXPECT_EQ(::write(strangers.back().fd(), text.data(), text.size()), ssize_t(text.size()));
  }
  std::this_thread::sleep_for(200ms);
  start(1, 2, "calls");
  for (Worker& worker : workers_) EXPECT_EQ(worker.finish(), 0) << worker.error();
}

TEST_F(Ranks, ARankOfAnotherRunIsTurnedAway) {
  start(0, 2, "calls", 0, "one");
  EXPECT_EQ(start(1, 2, "calls", 0, "another").finish(), 5);
  EXPECT_THAT(workers_[1].error(), HasSubstr("is that of another run"));
  EXPECT_EQ(start(1, 2, "calls", 0, "one").finish(), 0);
  EXPECT_EQ(workers_[0].finish(), 0) << workers_[0].error();
}

TEST_F(Ranks, TwoProcessesOfOneRankAreTold) {
  for (const int rank : {0, 1, 1}) start(rank, 3, "calls");
  // Whichever of the two comes second; the other waits for rank 2.
  const auto one_ended = [&] { return workers_[1].ended() || workers_[2].ended(); };
  for (const auto until = Clock::now() + 60s; !one_ended() && Clock::now() < until;) std::this_thread::sleep_for(10ms);
  Worker& told = workers_[workers_[1].ended() ? 1 : 2];
  ASSERT_TRUE(told.ended());
  EXPECT_EQ(told.finish(), 5);
  EXPECT_THAT(told.error(), HasSubstr("two processes say that they are rank 1"));
}

/// A launcher's store, which keeps what earlier attempts have written, and ranks that are started again.
class Restarted : public Ranks {
 protected:
  Restarted() {
    workers_.push_back(Worker({"0", "1", std::to_string(port_of(listener_)), std::to_string(listener_.fd()), "run", "60", "store", "0"}, listener_.fd()));
    EXPECT_TRUE(workers_[0].joined());
    setenv("RANK_WORKER_STORE", "1", 1);
  }
  ~Restarted() override { unsetenv("RANK_WORKER_STORE"); }
};

TEST_F(Restarted, RanksMeetAgainInTheStoreOfAnEarlierAttempt) {
  Worker &zero = start(0, 2, "busy"), &one = start(1, 2, "busy");
  ASSERT_TRUE(zero.joined() && one.joined());
  one.signal(SIGKILL);
  EXPECT_EQ(zero.finish(), 5);
  for (const int rank : {1, 0}) start(rank, 2, "calls");  // The first one finds what is left of the attempt before.
  for (std::size_t i = 3; i < 5; ++i) EXPECT_EQ(workers_[i].finish(), 0) << workers_[i].error();
}

TEST_F(Restarted, ARankThatIsLostBeforeAllHaveMetMayComeAgain) {
  start(0, 3, "calls");
  Worker& lost = start(1, 3, "calls");
  std::this_thread::sleep_for(500ms);  // By now, or soon, it waits for the third.
  lost.signal(SIGKILL);
  for (const int rank : {1, 2}) start(rank, 3, "calls");
  for (const std::size_t i : {1u, 3u, 4u}) EXPECT_EQ(workers_[i].finish(), 0) << workers_[i].error();
}

TEST_F(Restarted, AGroupOfAnotherSizeIsNotJoined) {
  Worker& stale = start(1, 3, "calls", 0, "run", "20");
  for (const int rank : {0, 1}) start(rank, 2, "calls");
  for (std::size_t i = 2; i < 4; ++i) EXPECT_EQ(workers_[i].finish(), 0) << workers_[i].error();
  EXPECT_EQ(stale.finish(), 5);
  EXPECT_THAT(stale.error(), HasSubstr("rank 0 does not count 3 ranks"));
}

TEST_F(Ranks, AStoreThatClosesIsToldInWordsOfItsOwn) {
  // Less than finish() waits: killed before it accepts, rank 0 leaves the other at a port that nobody serves.
  Worker& zero = start(0, 3, "calls", 0, "run", "20");
  Worker& one = start(1, 3, "calls", 0, "run", "20");
  std::this_thread::sleep_for(500ms);
  zero.signal(SIGKILL);
  EXPECT_EQ(one.finish(), 5);
  EXPECT_THAT(one.error(), testing::Not(HasSubstr("LibTorch")));
}

TEST_F(Ranks, AMissingRankIsNamed) {
  // Rank 0 holds the store: were it to give up before rank 1, that one would see no more than a closed connection.
  start(0, 3, "calls", 0, "run", "12");
  start(1, 3, "calls", 0, "run", "6");
  for (Worker& worker : workers_) {
    EXPECT_EQ(worker.finish(), 5);
    EXPECT_THAT(worker.error(), HasSubstr("rank 2 has not come"));
  }
}

std::string refusal(const JoinOptions& options) {
  // This binary holds a copy of std::cerr, so that what is opened around it (train/load.cpp) has one that nobody has made ready.
  setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 1);
  try {
    load().join_world(options);
  } catch (const Error& e) {
    return std::to_string(exit_code(e.kind())) + " " + e.what();
  }
  return "none";
}

TEST(Join, RefusesAPortInUseInOneLine) {
  const Socket taken = listen_at("127.0.0.1", 0);
  EXPECT_THAT(refusal({.port = port_of(taken)}), HasSubstr("5 port " + std::to_string(port_of(taken)) + " of 127.0.0.1 is in use"));
}

TEST(Join, SaysThatNobodyAnswers) {
  Socket free = listen_at("127.0.0.1", 0);
  const int port = port_of(free);
  free.close();
  EXPECT_THAT(refusal({.rank = 1, .size = 2, .port = port, .timeout_seconds = 0.3}), HasSubstr("5 nobody answers at 127.0.0.1 port " + std::to_string(port)));
}

TEST(Join, DoesNotHangOnAServerThatIsNoStore) {
  const Socket mute = listen_at("127.0.0.1", 0);
  EXPECT_THAT(refusal({.rank = 1, .size = 2, .port = port_of(mute), .timeout_seconds = 0.5}), HasSubstr("is not the ranks' store"));
}

TEST(Join, RefusesRanksThatCannotBe) {
  EXPECT_THAT(refusal({.rank = 2, .size = 2}), HasSubstr("2 there is no rank 2 of 2"));
  EXPECT_THAT(refusal({.backend = "smoke"}), HasSubstr("2 unknown backend 'smoke'"));
}

TEST(Join, WithoutAGpuNcclSaysSo) {
  if (!load().versions().gpu.empty()) GTEST_SKIP() << "there is a GPU";
  EXPECT_THAT(refusal({.port = 0, .backend = "nccl", .device = "cuda"}), testing::StartsWith("4 "));
}

}  // namespace
}  // namespace millrace::train
