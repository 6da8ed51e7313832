#include "experiments/forensics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "tests/pipeline/fakes.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// A set whose sample 5 does not come until it is let go.
class BlockedSource final : public Source {
 public:
  const SourceInfo& info() const override { return inner_.info(); }
  std::uint64_t size() const override { return inner_.size(); }
  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override {
    if (index == 5) open_.wait(false);
    return inner_.read(index, scratch);
  }
  std::string origin(std::uint64_t index) const override { return inner_.origin(index); }
  void let_go() {
    open_ = true;
    open_.notify_all();
  }

 private:
  test::FakeSource inner_{40};
  mutable std::atomic<bool> open_{false};
};

/// What was printed, and waiting for it: no test of a time.
class Stall : public testing::TestWithParam<int> {
 protected:
  Stall()
      : forensics_([this](const std::string& text) {
          std::lock_guard lock(mutex_);
          texts_.push_back(text);
          printed_.notify_all();
        }) {
    LoaderOptions options;
    options.workers = GetParam();
    options.batch = 4, options.batches = 10, options.sampler = Sampler::sequential, options.rows_per_message = 1;
    loader_.emplace(source_, recipe_, options);
    trainer_ = std::thread([this] {
      test::drain(loader_->stream());
      ended_ = true;
    });
  }
  ~Stall() override {
    source_.let_go();
    trainer_.join();
  }
  std::string text(std::size_t number) {
    std::unique_lock lock(mutex_);
    return printed_.wait_for(lock, 60s, [&] { return texts_.size() > number; }) ? texts_[number] : "nothing was printed";
  }
  /// The first that holds all these words, else the last within a minute: where cores are scarce, the stall that is told first may be that of a
  /// thread that has not begun.
  std::string text_with(const std::vector<std::string>& words) {
    std::string told;
    const auto holds = [&](const std::string& word) { return told.find(word) != std::string::npos; };
    const auto end = std::chrono::steady_clock::now() + 60s;
    for (std::size_t number = 0; !std::ranges::all_of(words, holds) && std::chrono::steady_clock::now() < end; ++number) told = text(number);
    return told;
  }
  std::size_t texts() {
    std::lock_guard lock(mutex_);
    return texts_.size();
  }

  BlockedSource source_;
  test::FakeRecipe recipe_;
  std::mutex mutex_;
  std::condition_variable printed_;
  std::vector<std::string> texts_;
  Forensics forensics_;
  std::optional<Loader> loader_;
  std::atomic<bool> ended_{false};
  std::thread trainer_;
};

TEST_P(Stall, IsToldWithTheSampleThatHoldsEverythingUp) {
  const Forensics::Watched watched(&forensics_, *loader_, "loader", 0.1);
  const std::vector<std::string> words{"no batch of the loader for", "read, sample 5 (fake[5])", "batch 1 under work", "its trainer waits"};
  const std::string told = text_with(words);
  for (const std::string& word : words) EXPECT_THAT(told, HasSubstr(word));
}

TEST_P(Stall, IsToldAgainEverLaterAndTheRunGoesOn) {
  const Forensics::Watched watched(&forensics_, *loader_, "loader", 0.05);
  EXPECT_THAT(text(2), HasSubstr("no batch of the loader for"));
  EXPECT_THAT(text_with({"fake[5]"}), HasSubstr("fake[5]"));
  source_.let_go();
  while (!ended_) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(loader_->report().batches_delivered, 10u);
}

TEST_P(Stall, IsNotToldWhereTheWatchdogIsOff) {
  const Forensics::Watched watched(&forensics_, *loader_, "loader", 0);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(texts(), 0u);
  // But who asks is answered, if need be until the sample has been come to.
  std::string told;
  for (std::size_t asked = 0; asked < 600 && told.find("fake[5]") == std::string::npos; ++asked) {
    if (asked > 0) std::this_thread::sleep_for(100ms);
    forensics_.report();
    told = text(asked);
  }
  EXPECT_THAT(told, HasSubstr("where everything is"));
  EXPECT_THAT(told, HasSubstr("fake[5]"));
}

INSTANTIATE_TEST_SUITE_P(Workers, Stall, testing::Values(0, 1, 3));

TEST(Forensics, SaysSoWhereThereIsNothing) {
  std::string told;
  {
    std::mutex mutex;
    std::condition_variable printed;
    Forensics forensics([&](const std::string& text) {
      std::lock_guard lock(mutex);
      told = text;
      printed.notify_all();
    });
    forensics.report();
    std::unique_lock lock(mutex);
    printed.wait_for(lock, 60s, [&] { return !told.empty(); });
  }
  EXPECT_THAT(told, HasSubstr("nothing is loaded or trained"));
}

TEST(Forensics, AFullQueueAndSlotsWithTheirTrainerAreShownAsSuch) {
  test::FakeSource source(40);
  test::FakeRecipe recipe;
  LoaderOptions options;
  options.workers = 2, options.prefetch = 2, options.batch = 4;
  Loader loader(source, recipe, options);
  const auto leased = loader.stream().next();
  std::string text;
  // Every slot is taken, so nothing moves any more.
  for (int i = 0; i < 60'000 && text.find("3 batches") == std::string::npos; ++i) {
    std::this_thread::sleep_for(1ms);
    text = text_of(loader.snapshot());
  }
  EXPECT_THAT(text, HasSubstr("batch 0 with the trainer"));
  EXPECT_THAT(text, HasSubstr("in the queue"));
  EXPECT_THAT(text, HasSubstr("queue of local rank 0: 3 batches"));
  EXPECT_THAT(text, Not(HasSubstr("its trainer waits")));
}

}  // namespace
}  // namespace millrace
