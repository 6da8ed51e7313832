#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <set>

#include "experiments/ranks.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

struct FakeWorld final : train::World {
  FakeWorld(int r, int s) : r_(r), s_(s) {}
  int rank() const override { return r_; }
  int size() const override { return s_; }
  std::string name() const override { return "fake"; }
  std::vector<std::string> all_gather(const std::string& words) override { return {words}; }
  void barrier() override {}
  void abort(const std::string& why) noexcept override { cause = why; }
  int r_, s_;
  std::string cause;
};

Ranks three(int first = 0) {
  Ranks ranks;
  for (int r = 0; r < 3; ++r) ranks.worlds.push_back(std::make_shared<FakeWorld>(first + r, 8));
  return ranks;
}

TEST(RankThreads, RunEachRankOnAThreadOfItsOwnAgainAndAgain) {
  const Ranks ranks = three();
  RankThreads threads(ranks);
  std::vector<std::set<std::thread::id>> seen(3);
  for (int round = 0; round < 3; ++round) threads.run([&](std::size_t r) { seen[r].insert(std::this_thread::get_id()); });
  for (const auto& ids : seen) EXPECT_EQ(ids.size(), 1u);
  EXPECT_NE(seen[0], seen[1]);
}

TEST(RankThreads, AnOnlyRankIsTheCaller) {
  const Ranks ranks;
  RankThreads threads(ranks);
  std::thread::id id;
  threads.run([&](std::size_t r) {
    EXPECT_EQ(r, 0u);
    id = std::this_thread::get_id();
  });
  EXPECT_EQ(id, std::this_thread::get_id());
}

TEST(RankThreads, ThrowTheFirstCauseRatherThanWhatRanksSayOfOneAnother) {
  const Ranks ranks = three(4);
  RankThreads threads(ranks);
  std::atomic<bool> others_threw = false;
  try {
    threads.run([&](std::size_t r) {
      if (r != 1) {
        if (r == 2) others_threw = true;
        throw Error(ErrorKind::communication, "rank 5 has left");
      }
      while (!others_threw) std::this_thread::yield();
      throw Error(ErrorKind::data, "the picture is broken");
    });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::data);
    EXPECT_STREQ(e.what(), "the picture is broken");
  }
  EXPECT_EQ(static_cast<FakeWorld&>(*ranks.worlds[1]).cause, "rank 5: the picture is broken");
}

TEST(RankThreads, ARankThatDoesNotEndEndsTheProcessWithItsNameAndStatus5) {
  const auto hang = [] {
    const Ranks ranks = three();
    RankThreads threads(ranks, std::chrono::seconds(0));
    threads.run([&](std::size_t r) {
      if (r == 0) throw Error(ErrorKind::communication, "rank 2 has been silent");
      while (r == 2) std::this_thread::sleep_for(std::chrono::hours(1));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(hang(), testing::ExitedWithCode(5), "rank 2 has been silent; the thread of rank [12] does not end");
}

TEST(LastResort, EndsAProcessWhoseDeviceDoesNotLetGo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto hangs = [] {
    LastResort resort;
    resort.begin("rank 1 is gone", std::chrono::milliseconds(50));
    for (;;) pause();
  };
  EXPECT_EXIT(hangs(), testing::ExitedWithCode(5), "millrace: rank 1 is gone; its device does not end, so the process does");
}

TEST(LastResort, IsNotNeededByOneThatEnds) {
  LastResort resort;
  resort.begin("rank 1 is gone", std::chrono::hours(1));
}

TEST(GlobalBatch, IsWhatTheSpecSaysTimesRanksOrHosts) {
  const RankShape shape{.size = 8, .first = 4, .local = 4, .nodes = 2};
  EXPECT_EQ(global_batch({.batch_unit = BatchUnit::global, .batch = 64}, shape), 64u);
  EXPECT_EQ(global_batch({.batch_unit = BatchUnit::per_rank, .batch = 64}, shape), 512u);
  EXPECT_EQ(global_batch({.batch_unit = BatchUnit::per_node, .batch = 64}, shape), 128u);
  EXPECT_EQ(three(4).shape().first, 4);
  EXPECT_FALSE(three(4).first());
}

}  // namespace
}  // namespace millrace
