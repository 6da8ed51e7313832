// For any settings that fit together, an epoch is the same. RC_PARAMS="seed=..." repeats a failing case.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "tests/pipeline/fakes.h"

namespace millrace::test {
namespace {

/// Digest of batches [first, end), over all ranks of `o`.
std::uint64_t digest_of(const Source& source, const Recipe& recipe, LoaderOptions o, std::uint64_t first, std::uint64_t end) {
  o.first_batch = first, o.batches = end - first;
  Loader loader(source, recipe, o);
  std::vector<Digest> digests(static_cast<std::size_t>(o.local_ranks), Digest(Digest::Of::pixels));
  std::vector<std::thread> trainers;
  for (int r = 0; r < o.local_ranks; ++r)
    trainers.emplace_back([&, r] {
      while (auto batch = loader.stream(r).next()) digests[static_cast<std::size_t>(r)].add(*batch);
    });
  for (auto& t : trainers) t.join();
  for (std::size_t r = 1; r < digests.size(); ++r) digests[0].add(digests[r]);
  return digests[0].value();
}

RC_GTEST_PROP(LoaderProperty, AnyWorkersPrefetchRanksAndResumeGiveTheSameEpochs, ()) {
  const auto in = [](int low, int high) { return *rc::gen::inRange(low, high + 1); };
  const FakeSource source(static_cast<std::uint64_t>(in(8, 120)));
  const FakeRecipe recipe;
  LoaderOptions o;
  o.batch = static_cast<std::uint64_t>(in(4, 8)), o.seed = static_cast<std::uint64_t>(in(0, 1000)), o.drop_last = in(0, 1) == 1;
  o.workers = 0;
  const std::uint64_t steps = Loader(source, recipe, o).steps_per_epoch(), end = 2 * steps;
  const std::uint64_t expected = digest_of(source, recipe, o, 0, end);

  o.workers = in(0, 8), o.prefetch = in(1, 8), o.rows_per_message = in(1, 9), o.world_size = o.local_ranks = in(1, 4);
  const auto resumed_at = static_cast<std::uint64_t>(in(0, static_cast<int>(end)));
  RC_ASSERT(digest_of(source, recipe, o, 0, resumed_at) + digest_of(source, recipe, o, resumed_at, end) == expected);
}

}  // namespace
}  // namespace millrace::test
