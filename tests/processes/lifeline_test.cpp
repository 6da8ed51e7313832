// Lifelines of several ranks within one process, without torch: who is judged, and in which words.
#include "train/lifeline.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <thread>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Lifelines : public testing::Test {
 protected:
  void start(int size, double timeout = 20) {
    Socket listener = listen_at("127.0.0.1", 0);
    port_ = port_of(listener);
    for (int rank = 0; rank < size; ++rank) lines_.push_back(make(rank, size, timeout, rank ? Socket() : std::move(listener)));
    for (auto& line : lines_) line->join();
  }
  std::unique_ptr<Lifeline> make(int rank, int size, double timeout, Socket socket, const std::string& token = "token") {
    if (rank != 0) socket = connect_to("127.0.0.1", port_, std::chrono::steady_clock::now() + 5s);
    return std::make_unique<Lifeline>(std::move(socket), Lifeline::Options{rank, size, timeout, token});
  }
  /// What a call on `rank` that never gets an answer ends with.
  std::string waiting(int rank) {
    try {
      lines_[std::size_t(rank)]->begin_call();
      lines_[std::size_t(rank)]->wait([] { return false; });
    } catch (const Error& e) {
      return e.kind() == ErrorKind::communication ? e.what() : "wrong kind";
    }
    return "no error";
  }
  /// A rank that is no more, as the kernel leaves a killed one: its connection closes, nothing is said.
  Socket impostor(int rank, const std::string& token = "token") {
    Connection connection(connect_to("127.0.0.1", port_, std::chrono::steady_clock::now() + 5s));
    EXPECT_TRUE(connection.send({Message::hello, rank, 0, token}));
    return Socket(dup(connection.fd()));
  }

  int port_ = 0;
  std::vector<std::unique_ptr<Lifeline>> lines_;
};

TEST_F(Lifelines, EveryRankHearsWhoseConnectionClosed) {
  Socket listener = listen_at("127.0.0.1", 0);
  port_ = port_of(listener);
  lines_.push_back(make(0, 3, 20, std::move(listener)));
  lines_.push_back(make(1, 3, 20, {}));
  Socket killed = impostor(2);
  for (auto& line : lines_) line->join();
  killed.close();
  for (int rank = 0; rank < 2; ++rank) EXPECT_THAT(waiting(rank), HasSubstr("rank 2 is gone"));
}

TEST_F(Lifelines, ASilentRankIsNamedAfterTheTimeOut) {
  Socket listener = listen_at("127.0.0.1", 0);
  port_ = port_of(listener);
  lines_.push_back(make(0, 2, 2, std::move(listener)));
  const Socket stopped = impostor(1);
  lines_[0]->join();
  EXPECT_THAT(waiting(0), HasSubstr("rank 1 has been silent for 2 s"));
}

TEST_F(Lifelines, ARankThatLivesButDoesNotComeIsNamed) {
  start(3, 3);
  std::string first;
  std::thread other([&] { first = waiting(0); });
  EXPECT_THAT(waiting(2), HasSubstr("rank 1 lives, but has not come"));
  other.join();
  EXPECT_THAT(first, HasSubstr("rank 1 lives, but has not come"));
}

TEST_F(Lifelines, ACallThatDoesNotEndThoughAllHaveComeToItIsItsCallersWord) {
  start(2);
  for (auto& line : lines_) line->begin_call();
  lines_[1]->give_up("the link hangs");
  EXPECT_THAT(waiting(0), HasSubstr("rank 1: the link hangs"));
}

TEST_F(Lifelines, ACallThatDoesNotEndNamesTheRankThatHasNotComeToIt) {
  start(3);
  lines_[0]->begin_call();
  lines_[2]->begin_call();
  lines_[2]->give_up("the link hangs");
  EXPECT_THAT(waiting(0), HasSubstr("rank 1 lives, but has not come"));
  EXPECT_THAT(waiting(2), HasSubstr("rank 1 lives, but has not come"));
}

TEST_F(Lifelines, ACauseReachesAllAndTheFirstOneStays) {
  start(3);
  lines_[2]->abort("a loss that is not a number");
  lines_[1]->abort("too late");
  for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(waiting(rank), "rank 2: a loss that is not a number");
}

TEST_F(Lifelines, RankZeroCanEndTheRunToo) {
  start(2);
  lines_[0]->abort("enough");
  EXPECT_EQ(waiting(1), "rank 0: enough");
  EXPECT_EQ(waiting(0), "rank 0: enough");
}

TEST_F(Lifelines, AFailureIsToldToWhoAskedForIt) {
  start(2);
  std::atomic<int> told{0};
  lines_[1]->on_failure([&] { ++told; });
  lines_[0]->abort("enough");
  EXPECT_THAT(waiting(1), HasSubstr("enough"));
  lines_[1]->on_failure(nullptr);
  EXPECT_LE(told, 1);
  lines_[1]->on_failure([&] { told = 10; });  // There is one already.
  EXPECT_EQ(told, 10);
}

TEST_F(Lifelines, StrangersAreNeverCountedAsRanks) {
  Socket listener = listen_at("127.0.0.1", 0);
  port_ = port_of(listener);
  lines_.push_back(make(0, 2, 0.5, std::move(listener)));
  const Socket wrong_token = impostor(1, "another run's"), no_such_rank = impostor(7);
  Socket noise = connect_to("127.0.0.1", port_, std::chrono::steady_clock::now() + 5s);
  ASSERT_EQ(send(noise.fd(), "GET / HTTP/1.1\r\nHost: somebody\r\n\r\n", 35, MSG_NOSIGNAL), 35);
  try {
    lines_[0]->join();
    FAIL() << "a stranger was taken for rank 1";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("rank 1 has not come within 0.5 s"));
  }
}

TEST_F(Lifelines, TheRealRankIsTakenAfterStrangers) {
  Socket listener = listen_at("127.0.0.1", 0);
  port_ = port_of(listener);
  lines_.push_back(make(0, 2, 20, std::move(listener)));
  const Socket stranger = impostor(1, "another run's");
  lines_.push_back(make(1, 2, 20, {}));
  for (auto& line : lines_) line->join();
  EXPECT_FALSE(lines_[0]->failed());
}

TEST_F(Lifelines, ARankThatLeavesWhileOthersWaitIsNamed) {
  start(2, 5);
  std::string seen;
  std::thread other([&] { seen = waiting(0); });
  lines_[1].reset();
  other.join();
  EXPECT_THAT(seen, HasSubstr("rank 1 has left the run"));
}

TEST_F(Lifelines, RanksThatLeaveTogetherSeeNoFailure) {
  start(4);
  for (auto& line : lines_) line->begin_call();
  std::vector<std::thread> leaving;
  for (auto& line : lines_) leaving.emplace_back([&] { line->leave(); });
  for (auto& thread : leaving) thread.join();
  for (auto& line : lines_) EXPECT_FALSE(line->failed());
}

TEST_F(Lifelines, ARankAloneWaitsForNobody) {
  start(1, 0.2);
  lines_[0]->begin_call();
  lines_[0]->wait([] { return true; });
  EXPECT_FALSE(lines_[0]->failed());
}

TEST(Socket, APortInUseIsNamed) {
  const Socket taken = listen_at("127.0.0.1", 0);
  try {
    listen_at("127.0.0.1", port_of(taken));
    FAIL() << "two listened at one port";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("port " + std::to_string(port_of(taken)) + " of 127.0.0.1 is in use"));
    EXPECT_EQ(exit_code(e.kind()), 5);
  }
}

TEST(Socket, AddressesOfOthersAndUnknownHostsAreErrors) {
  EXPECT_THROW(listen_at("192.0.2.1", 0), Error);
  EXPECT_THROW(resolve(std::string(64, 'x') + ".invalid"), Error);  // Too long for a label: no server is asked, whose answer may take long.
  EXPECT_EQ(resolve("localhost"), "127.0.0.1");
  EXPECT_EQ(own_address_towards("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(address_of_interface("lo"), "127.0.0.1");
}

}  // namespace
}  // namespace millrace::train
