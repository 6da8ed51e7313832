// Ranks that meet, and ranks that do not come: threads of one process, judged by the thread sanitizer too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <random>
#include <thread>

#include "pipeline/error.h"
#include "train/local_group.h"

namespace millrace::train {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Ranks : public ::testing::Test {
 protected:
  /// What each rank threw, by rank; empty where nothing. A rank leaves when its work ends.
  std::vector<std::string> run(int size, const std::function<void(LocalGroup&, int)>& work, double timeout = 60) {
    LocalGroup group(size, timeout);
    std::vector<std::string> thrown(static_cast<std::size_t>(size));
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < size; ++rank)
        threads.emplace_back([&, rank] {
          try {
            work(group, rank);
          } catch (const Error& e) {
            EXPECT_EQ(e.kind(), ErrorKind::communication);
            thrown[static_cast<std::size_t>(rank)] = e.what();
          }
          group.leave(rank);
        });
    }
    return thrown;
  }
};

/// Values whose sum depends on the order of additions.
std::vector<float> values_of(int rank, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(rank));
  std::vector<float> values(count);
  for (float& v : values) v = std::ldexp(static_cast<float>(random()) / 4e9f - 0.5f, static_cast<int>(random() % 20));
  return values;
}

TEST_F(Ranks, EverySumIsTakenInRankOrderAndHasTheSameBitsOnEachRank) {
  for (const int size : {1, 2, 3, 4, 7})
    for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 1000u, 70'001u}) {
      std::vector<float> expected = values_of(0, count);
      for (int rank = 1; rank < size; ++rank) {
        const auto more = values_of(rank, count);
        for (std::size_t i = 0; i < count; ++i) expected[i] += more[i];
      }
      const auto thrown = run(size, [&](LocalGroup& group, int rank) {
        auto values = values_of(rank, count);
        group.all_reduce_sum(rank, std::span(values));
        EXPECT_EQ(values, expected) << size << " ranks, " << count << " values";
      });
      EXPECT_THAT(thrown, Each(""));
    }
}

TEST_F(Ranks, ManyCallsOfAllKindsInARow) {
  const auto thrown = run(4, [](LocalGroup& group, int rank) {
    for (int round = 0; round < 500; ++round) {
      std::vector<double> sum(5, rank + round);
      group.all_reduce_sum(rank, std::span(sum));
      EXPECT_THAT(sum, Each(6.0 + 4 * round));
      const int root = round % 4;
      std::vector<int> words(3, rank == root ? round : -1);
      group.broadcast(rank, std::as_writable_bytes(std::span(words)), root);
      EXPECT_THAT(words, Each(round));
      group.barrier(rank);
      EXPECT_THAT(group.all_gather(rank, std::string(static_cast<std::size_t>(rank), 'x')), ElementsAre("", "x", "xx", "xxx"));
    }
  });
  EXPECT_THAT(thrown, Each(""));
}

TEST_F(Ranks, ARankThatComesLateIsWaitedForAsleep) {
  const auto thrown = run(2, [](LocalGroup& group, int rank) {
    if (rank == 1) std::this_thread::sleep_for(50ms);
    group.barrier(rank);
  });
  EXPECT_THAT(thrown, Each(""));
}

TEST_F(Ranks, ARankThatLeavesIsNamedByAllThatWaitForIt) {
  const auto thrown = run(3, [](LocalGroup& group, int rank) {
    group.barrier(rank);
    if (rank == 1) return;
    group.barrier(rank);
  });
  EXPECT_THAT(thrown[0], HasSubstr("rank 1 has left"));
  EXPECT_EQ(thrown[1], "");
  EXPECT_EQ(thrown[2], thrown[0]);
}

TEST_F(Ranks, ARankThatHasFinishedIsNotMissedByThoseStillOnTheirWayOut) {
  for (int round = 0; round < 50; ++round)
    EXPECT_THAT(run(3, [](LocalGroup& group, int rank) { group.barrier(rank); }), Each(""));
}

TEST_F(Ranks, ASilentRankIsNamedAfterTheTimeOutAndFindsTheSameErrorWhenItWakes) {
  std::latch started(3);  // A thread that begins late would be the silent one.
  std::atomic<int> gave_up{0};
  const auto thrown = run(
      3,
      [&](LocalGroup& group, int rank) {
        started.arrive_and_wait();
        const auto end = std::chrono::steady_clock::now() + 60s;
        while (rank == 2 && gave_up < 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
        try {
          group.barrier(rank);
        } catch (const Error&) {
          ++gave_up;
          throw;
        }
      },
      1);
  EXPECT_THAT(thrown[0], AllOf(HasSubstr("rank 2 has been silent for 1.000"), HasSubstr("s while rank")));
  EXPECT_THAT(thrown, Each(thrown[0]));
}

TEST_F(Ranks, AnAbortWakesWaitingRanksAndItsFirstCauseStays) {
  const auto thrown = run(3, [](LocalGroup& group, int rank) {
    if (rank == 1) {
      std::this_thread::sleep_for(20ms);
      group.abort("rank 1: the disk is full");
      group.abort("a later cause");
    }
    group.barrier(rank);
  });
  EXPECT_THAT(thrown, Each("rank 1: the disk is full"));
}

TEST_F(Ranks, ARankThatWaitsForItsDeviceHearsOfAnAbortAndEndsALongWaitItself) {
  LocalGroup group(2, 20);
  group.check(1, 19); // Nothing has happened.
  try {
    group.check(1, 21);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "rank 1 has waited for its device for 20.00 s: the device hangs");
  }
  EXPECT_THROW(group.check(0, 0), Error);
}

TEST_F(Ranks, EveryLaterCallThrowsTheSame) {
  run(2, [](LocalGroup& group, int rank) {
    if (rank == 1) return group.abort("the cause");
    for (int i = 0; i < 3; ++i) EXPECT_THROW(group.barrier(rank), Error);
    EXPECT_THROW(group.all_gather(rank, ""), Error);
  });
}

TEST_F(Ranks, CallsThatDoNotMatchEndTheRunForAll) {
  const auto sizes = run(2, [](LocalGroup& group, int rank) {
    std::vector<float> values(rank ? 3 : 4);
    group.all_reduce_sum(rank, std::span(values));
  });
  EXPECT_THAT(sizes, Each(HasSubstr("made another call")));
  const auto kinds = run(2, [](LocalGroup& group, int rank) {
    if (rank) return group.barrier(rank);
    group.all_gather(rank, "");
  });
  EXPECT_THAT(kinds, Each(HasSubstr("made another call")));
}

TEST_F(Ranks, NobodysMemoryIsTouchedAfterItsCallHasThrown) {
  // The buffers end with the call: the sanitizers see a rank that still sums over them.
  for (int round = 0; round < 20; ++round)
    run(4, [&](LocalGroup& group, int rank) {
      for (int i = 0; i < 20; ++i) {
        std::vector<float> values(4000, 1.0f);
        if (rank == 3 && i == round % 20) group.abort("at a random moment");
        group.all_reduce_sum(rank, std::span(values));
      }
    });
}

}  // namespace
}  // namespace millrace::train
