// Ranks that stop, fail, leave or hang: all ranks act at the same step and name the first cause.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>

#include "tests/ddp/ranks_fixture.h"

namespace millrace::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A stream that does something at a batch.
class Watched final : public BatchStream {
 public:
  Watched(BatchStream& inner, std::uint64_t at, std::function<void()> act) : inner_(inner), at_(at), act_(std::move(act)) {}
  std::optional<Batch> next() override {
    if (taken_++ == at_) act_();
    return inner_.next();
  }
  std::optional<Batch> try_next() override { return std::nullopt; }

 private:
  BatchStream& inner_;
  std::uint64_t at_, taken_ = 0;
  std::function<void()> act_;
};

/// One rank holds back until another has thrown, however slow the machine is (but for a minute).
class Hold {
 public:
  void wait() const {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!over_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
  }
  void until_it_throws(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      over_ = true;
      throw;
    }
  }

 private:
  std::atomic<bool> over_{false};
};

TEST(RanksThatEnd, AStopOnOneRankStopsAllAtTheSameStep) {
  for (const int stopping : {0, 2}) {
    Training training{.ranks = 3, .samples = 100 * 30, .batch = 30};
    std::vector<train::EpochResult> results(3);
    training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
      std::stop_source stop;
      Watched watched(stream, 7, [&] {
        if (rank == stopping) stop.request_stop();
      });
      results[static_cast<std::size_t>(rank)] = trainer.train_epoch(watched, stop.get_token(), {});
    };
    const auto outcomes = training.run();
    for (std::size_t rank = 0; rank < 3; ++rank) {
      EXPECT_EQ(outcomes[rank].thrown, "");
      EXPECT_EQ(outcomes[rank].weights, outcomes[0].weights);
      EXPECT_EQ(results[rank].steps, 8u);
      EXPECT_FALSE(results[rank].complete);
      EXPECT_TRUE(results[rank].stop_requested);
    }
  }
}

TEST(RanksThatEnd, AStreamThatEndsOnOneRankLeavesAllAtTheStepBefore) {
  Training training{.ranks = 2, .samples = 640};
  std::vector<train::EpochResult> results(2);
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    struct Short final : BatchStream {
      Short(BatchStream& s, int n) : inner(s), left(n) {}
      std::optional<Batch> next() override { return left-- > 0 ? inner.next() : std::nullopt; }
      std::optional<Batch> try_next() override { return std::nullopt; }
      BatchStream& inner;
      int left;
    } ends(stream, rank == 1 ? 4 : 100);
    results[static_cast<std::size_t>(rank)] = trainer.train_epoch(ends, {}, {});
  };
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[0].weights, outcomes[1].weights);
  for (const auto& result : results) {
    EXPECT_EQ(result.steps, 4u);
    EXPECT_EQ(result.images, 4u * 64);
    EXPECT_FALSE(result.complete);
  }
}

TEST(RanksThatEnd, AFailureOnOneRankIsNamedByAllWithRankStepAndPhase) {
  Training training{.ranks = 4, .samples = 640};
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    Watched watched(stream, 3, [&] {
      if (rank == 2) throw Error(ErrorKind::data, "the picture is broken");
    });
    train_on(trainer, watched);
  };
  for (const auto& outcome : training.run()) {
    EXPECT_EQ(outcome.thrown, "rank 2, epoch 1, step 4, waiting for a batch: the picture is broken");
    EXPECT_EQ(outcome.kind, ErrorKind::data);
  }
}

/// Makes the loss of one rank not finite.
void spoil(Batch& batch) { std::fill_n(reinterpret_cast<float*>(const_cast<std::uint8_t*>(batch.images())), 784, NAN); }

TEST(RanksThatEnd, ALossThatIsNotFiniteOnOneRankIsNamedByAll) {
  auto worlds = millrace_train_api()->local_worlds(2, 30);
  std::vector<std::string> thrown(2);
  std::vector<std::vector<float>> weights(2);
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < 2; ++rank)
      threads.emplace_back([&, rank] {
        auto options = options_for("lenet");
        options.world = worlds[static_cast<std::size_t>(rank)];
        const auto trainer = make(options);
        MemoryStream stream(digits(), 8, 6);
        if (rank == 1) {
          Batch batch = stream.lend(4);
          spoil(batch);
        }
        try {
          train_on(*trainer, stream);
        } catch (const Error& e) {
          thrown[static_cast<std::size_t>(rank)] = e.what();
        }
        weights[static_cast<std::size_t>(rank)] = weights_of(*trainer);
      });
  }
  EXPECT_EQ(thrown[0], "rank 1, epoch 1, step 5, forward: the loss is not finite");
  EXPECT_EQ(thrown[1], thrown[0]);
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_TRUE(std::isfinite(weights[0][0])); // Nobody stepped on it.
}

TEST(OneRank, StopsAtALossThatIsNotFiniteOrGoesOn) {
  auto options = options_for("toy");
  MemoryStream stream(digits(), 8, 6);
  Batch batch = stream.lend(2);
  spoil(batch);
  std::string message;
  EXPECT_EQ(error_of([&] { train_on(*make(options), stream); }, &message), ErrorKind::data);
  EXPECT_THAT(message, HasSubstr("epoch 1, step 3, forward: the loss is not finite"));
  options.stop_at_nonfinite = false;
  stream.rewind();
  EXPECT_EQ(train_on(*make(options), stream).steps, 6u);
}

TEST(RanksThatEnd, ARankThatDiesIsNamedByTheOthers) {
  Training training{.ranks = 3, .samples = 640};
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    if (rank == 1) {
      trainer.train_epoch(stream, {}, {}, 0);
      return; // Its trainer and its World go.
    }
    train_on(trainer, stream);
  };
  const auto outcomes = training.run();
  for (const int rank : {0, 2}) {
    EXPECT_EQ(outcomes[static_cast<std::size_t>(rank)].kind, ErrorKind::communication);
    EXPECT_THAT(outcomes[static_cast<std::size_t>(rank)].thrown, HasSubstr("rank 1"));
  }
}

TEST(RanksThatEnd, ARankThatHangsIsNamedAfterTheTimeOut) {
  Training training{.ranks = 2, .samples = 640, .timeout = 2};
  Hold hold;
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    Watched watched(stream, 5, [&] {
      if (rank == 1) hold.wait();
    });
    if (rank == 1) train_on(trainer, watched);
    else hold.until_it_throws([&] { train_on(trainer, watched); });
  };
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[0].kind, ErrorKind::communication);
  EXPECT_THAT(outcomes[0].thrown, AllOf(HasSubstr("rank 1 has been silent for 2.0"), HasSubstr("epoch 1, step 6, reduce")));
  EXPECT_THAT(outcomes[1].thrown, HasSubstr("rank 1 has been silent"));
}

TEST(RanksThatEnd, WhatThrowsBesideAStepEndsTheOthersWaiting) {
  Training training{.ranks = 2, .samples = 6400};
  std::atomic<bool> thrown = false;
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    Watched watched(stream, 3, [&] { std::this_thread::sleep_for(120ms); });
    trainer.train_epoch(watched, {}, [&](const train::Progress&) {
      if (rank == 0 && !thrown.exchange(true)) throw Error(ErrorKind::usage, "the report cannot be written");
    });
  };
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[0].thrown, "the report cannot be written");
  EXPECT_THAT(outcomes[1].thrown, HasSubstr("rank 0: the report cannot be written"));
}

TEST(RanksThatEnd, AFailureWithinBackwardsBucketsReachesTheTrainer) {
  Training training{.ranks = 2, .samples = 640, .timeout = 2, .options = Training::u8_options("lenet")};
  training.options.bucket_mb = 0;
  Hold hold;
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    if (rank == 1) hold.wait();
    if (rank == 1) train_on(trainer, stream);
    else hold.until_it_throws([&] { train_on(trainer, stream); });
  };
  for (const auto& outcome : training.run()) EXPECT_THAT(outcome.thrown, HasSubstr("rank 1 has been silent"));
}

TEST(SyncBatchNorm, AFailureBeforeItsSumsEndsTheRanksThatWaitInForward) {
  Training training{.ranks = 2, .samples = 640, .options = Training::u8_options("toy-norm")};
  training.options.norm = train::Norm::syncbn;
  training.instead = [&](int rank, BatchStream& stream, train::Trainer& trainer) {
    Watched watched(stream, 2, [&] {
      if (rank == 1) throw Error(ErrorKind::data, "the picture is broken");
    });
    train_on(trainer, watched);
  };
  const auto outcomes = training.run();
  EXPECT_EQ(outcomes[1].thrown, "the picture is broken");
  EXPECT_THAT(outcomes[0].thrown, HasSubstr("rank 1: the picture is broken"));
}

}  // namespace
}  // namespace millrace::testing
