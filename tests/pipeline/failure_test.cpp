#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/pipeline/fakes.h"

namespace millrace::test {
namespace {

/// How often the random stops and failures are repeated; MILLRACE_TEST_REPEATS raises it.
int repeats(int by_default) {
  const char* text = std::getenv("MILLRACE_TEST_REPEATS");
  return text ? std::atoi(text) : by_default;
}

class FailureTest : public testing::Test {
 protected:
  LoaderOptions options(int workers) const {
    LoaderOptions o;
    o.workers = workers, o.batch = 10, o.seed = 9, o.rows_per_message = 1;
    return o;
  }
  FakeSource source{103};
  FakeRecipe recipe;
};

TEST_F(FailureTest, ABadSampleEndsTheRunAfterTheBatchesBeforeIt) {
  source.bad = [](std::uint64_t id) { return id == 50; };
  std::optional<std::uint64_t> first;
  for (int workers : {0, 1, 3}) {
    Loader loader(source, recipe, options(workers));
    std::uint64_t batches = 0;
    try {
      while (loader.stream().next()) ++batches;
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_STREQ(error.what(), "fake[50]: corrupt at byte 7: made bad");
    }
    EXPECT_EQ(first.value_or(batches), batches);
    first = batches;
  }
}

/// The epoch with every fourth sample bad, the same for any workers.
Delivered with_bad_quarter(OnBadSample action) {
  FakeSource source{103};
  FakeRecipe recipe;
  source.bad = [](std::uint64_t id) { return id % 4 == 0; };
  std::optional<Delivered> first;
  for (int workers : {0, 1, 3}) {
    LoaderOptions o;
    o.workers = workers, o.batch = 10, o.seed = 9, o.rows_per_message = 1, o.batches = 11, o.faults.action = action;
    Loader loader(source, recipe, o);
    const Delivered all = drain(loader.stream());
    EXPECT_EQ(all.digest, first.value_or(all).digest) << workers << " workers";
    EXPECT_GE(loader.report().bad_samples, 26u); // Substitutes can be bad themselves.
    first = all;
  }
  return *first;
}

TEST(BadSamples, SkippedRowsLeaveNoGap) { EXPECT_EQ(with_bad_quarter(OnBadSample::skip).rows, 103u - 26u); }
TEST(BadSamples, SubstitutesAreTheSameForAnyWorkers) { EXPECT_EQ(with_bad_quarter(OnBadSample::substitute).rows, 103u); }

TEST_F(FailureTest, TheBudgetEndsTheRunAtTheSameBatchForAnyWorkers) {
  source.bad = [](std::uint64_t id) { return id % 10 == 0; };
  std::optional<std::uint64_t> first;
  for (int workers : {0, 1, 3}) {
    LoaderOptions o = options(workers);
    o.faults = {.action = OnBadSample::skip, .max_count = 5};
    Loader loader(source, recipe, o);
    std::uint64_t batches = 0;
    EXPECT_THROW(
        while (loader.stream().next())++ batches, Error);
    EXPECT_EQ(first.value_or(batches), batches);
    first = batches;
  }
}

TEST_F(FailureTest, WhatABodyThrowsReachesTheTrainer) {
  std::atomic<int> calls{0};
  recipe.on_apply = [&] {
    if (++calls == 60) throw Error(ErrorKind::device, "the recipe broke");
  };
  for (int workers : {0, 2}) {
    calls = 0;
    Loader loader(source, recipe, options(workers));
    EXPECT_THROW(drain(loader.stream()), Error);
    EXPECT_THROW(loader.stream().next(), Error); // And again.
  }
}

TEST_F(FailureTest, AFailureReachesEveryStream) {
  source.bad = [](std::uint64_t id) { return id == 50; };
  for (int workers : {0, 2}) {
    LoaderOptions o = options(workers);
    o.world_size = o.local_ranks = 2;
    Loader loader(source, recipe, o);
    int failed = 0;
    for (int rank : {0, 1, 0, 1}) {
      try {
        while (loader.stream(rank).next()) {
          if (workers > 0) loader.stream(1 - rank).try_next(); // Or its slots would hold the other rank back.
        }
      } catch (const Error&) {
        ++failed;
      }
    }
    EXPECT_GE(failed, 3) << workers; // Without workers the rank that meets no bad sample ends only when the other has.
  }
}

/// Resident bytes of this process.
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * 4096;
}

TEST_F(FailureTest, MemoryStaysFlatOverStopsAndFailures) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep freed memory; the leak check serves instead";
#endif
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      source.bad = [i](std::uint64_t id) { return i % 2 && id == 50; };
      Loader loader(source, recipe, options(i % 3));
      try {
        for (int n = 0; n < 6; ++n) loader.stream().next();
      } catch (const Error&) {
      }
    }
  };
  run(50); // Threads, pools and allocator's arenas.
  const std::uint64_t before = resident_bytes();
  run(repeats(200));
  EXPECT_LT(resident_bytes(), before + (4u << 20));
}

TEST_F(FailureTest, EarlyStopsNeverHang) {
  Rng rng({.seed = 1});
  for (int i = 0; i < repeats(100); ++i) {
    LoaderOptions o = options(static_cast<int>(rng.below(4)));
    o.prefetch = 1 + static_cast<int>(rng.below(3));
    Loader loader(source, recipe, o);
    std::vector<Batch> held;
    for (std::uint64_t n = rng.below(30); n > 0; --n) {
      auto batch = loader.stream().next();
      if (rng.below(2) && held.size() < 2) held.push_back(std::move(*batch));
    }
    if (rng.below(2)) loader.request_stop();
    if (rng.below(2)) held.clear();
  }
}

TEST_F(FailureTest, StoppingFromAnotherThreadEndsTheStream) {
  for (int workers : {0, 1, 2}) {
    Loader loader(source, recipe, options(workers));
    std::thread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      loader.request_stop();
    });
    drain(loader.stream());
    stopper.join();
    EXPECT_FALSE(loader.stream().next());
  }
}

TEST_F(FailureTest, FailuresAtRandomStagesNeverHang) {
  Rng rng({.seed = 2});
  for (int i = 0; i < repeats(100); ++i) {
    std::atomic<std::int64_t> countdown{static_cast<std::int64_t>(rng.below(200))};
    const bool in_source = rng.below(2);
    const auto trip = [&] { return --countdown == 0; };
    source.bad = [&](std::uint64_t) { return in_source && trip(); };
    recipe.on_apply = [&] {
      if (!in_source && trip()) throw std::runtime_error("broken");
    };
    LoaderOptions o = options(1 + static_cast<int>(rng.below(3)));
    o.local_ranks = o.world_size = 1 + static_cast<int>(rng.below(2));
    Loader loader(source, recipe, o);
    std::vector<std::thread> trainers;
    std::atomic<int> failed{0};
    for (int r = 0; r < o.local_ranks; ++r)
      trainers.emplace_back([&, r] {
        try {
          for (int n = 0; n < 60; ++n)
            if (!loader.stream(r).next()) break;
        } catch (const std::exception&) {
          ++failed;
        }
      });
    for (auto& t : trainers) t.join();
    EXPECT_TRUE(failed == 0 || failed == o.local_ranks);
  }
}

}  // namespace
}  // namespace millrace::test
