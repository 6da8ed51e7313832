#include "experiments/replay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "experiments/page_cache.h"
#include "tests/pipeline/fakes.h"

namespace millrace {
namespace {

std::vector<Batch> load(const Source& source, const Recipe& recipe, std::uint64_t batches) {
  Loader loader(source, recipe, {.workers = 1, .prefetch = int(batches), .batch = 8, .batches = batches});
  std::vector<Batch> out;
  while (auto batch = loader.stream().next()) out.push_back(std::move(*batch));
  return out;
}

TEST(Replay, GivesTheSameBatchesInTurnWithoutEnd) {
  const test::FakeSource source(64);
  const test::FakeRecipe recipe;
  const std::vector<Batch> resident = load(source, recipe, 3);
  Replay replay(resident);
  for (int i = 0; i < 7; ++i) {
    const auto batch = replay.next();
    ASSERT_TRUE(batch);
    const Batch& same = resident[std::size_t(i) % 3];
    EXPECT_EQ(batch->images(), same.images());
    EXPECT_TRUE(std::ranges::equal(batch->ids(), same.ids()));
    EXPECT_TRUE(std::ranges::equal(batch->labels(), same.labels()));
    EXPECT_FALSE(batch->end_of_epoch());
  }
}

TEST(Replay, HandsNoBatchOutTwiceAtATime) {
  const test::FakeSource source(64);
  const test::FakeRecipe recipe;
  const std::vector<Batch> resident = load(source, recipe, 2);
  Replay replay(resident);
  auto first = replay.try_next();
  const auto second = replay.try_next();
  EXPECT_FALSE(replay.try_next());
  EXPECT_THROW(replay.next(), Error);
  first.reset();
  EXPECT_TRUE(replay.try_next());
}

TEST(Replay, CanShowAPartOfEachBatch) {
  const test::FakeSource source(64);
  const test::FakeRecipe recipe;
  const std::vector<Batch> resident = load(source, recipe, 1);
  Replay half(resident, 4);
  const auto batch = half.next();
  EXPECT_EQ(batch->rows(), 4);
  EXPECT_EQ(batch->image_bytes().size(), 4 * resident[0].format().bytes());
}

TEST(PageCache, AFileThatIsDroppedIsNoLongerThere) {
  const auto path = std::filesystem::temp_directory_path() / ("millrace_page_cache_test_" + std::to_string(getpid()));
  std::ofstream(path) << std::string(1 << 20, 'x');
  const int written = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(written, 0);
  fsync(written);  // Dirty pages stay. Not sync(): that waits for everybody's.
  close(written);
  const auto left = drop_from_cache({path.string()});
  std::filesystem::remove(path);
  if (!left || *left == 1) GTEST_SKIP() << "this file system keeps its pages";
  EXPECT_LT(*left, 0.5);
}

TEST(PageCache, ASetInMemoryHasNoFiles) {
  const test::FakeSource source(10);
  EXPECT_TRUE(files_of(source, {0, 1, 2}).empty());
  EXPECT_EQ(bytes_in_files(source), 0u);
}

}  // namespace
}  // namespace millrace
