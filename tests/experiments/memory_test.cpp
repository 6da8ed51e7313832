#include "experiments/memory.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/assemble.h"
#include "experiments/keys.h"
#include "experiments/resident.h"
#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "tests/experiments/program_fixture.h"
#include "tests/jpeg/jpeg_files.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

TEST(ByteSizes, AreReadWithTheirUnits) {
  EXPECT_EQ(parse_bytes("2 GiB"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_bytes("512MiB"), std::uint64_t{512} << 20);
  EXPECT_EQ(parse_bytes("1.5 KiB"), 1536u);
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("4096 bytes"), 4096u);
}

TEST(ByteSizes, WhatIsNoSizeIsNone) {
  for (const char* text : {"", "GiB", "-1 GiB", "0", "2 GB", "1.5", "1e9", "nan", "inf", "99999999999 TiB", "2 GiB or so", "0x10"}) EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(MemoryBound, IsWhatTheSpecSaysOrHalfOfWhatTheCgroupAllows) {
  LoaderSpec loader;
  EXPECT_EQ(memory_bound(loader, 1, 1 << 30).bytes, 1u << 29);
  EXPECT_EQ(memory_bound(loader, 4, 1 << 30).bytes, 1u << 27);
  EXPECT_GT(memory_bound(loader, 1, std::nullopt).bytes, 1u << 26);
  loader.memory = 12345678;
  EXPECT_EQ(memory_bound(loader, 4, 1 << 30).bytes, 12345678u);
}

/// A folder of JPEG files of several sizes, and a spec that crops them.
class Photographs : public Program {
 protected:
  Photographs() {
    unsigned seed = 0;
    for (const Size size : {Size{400, 300}, Size{320, 200}, Size{250, 400}, Size{500, 480}, Size{333, 222}, Size{401, 399}})
      for (int i = 0; i < 4; ++i) {
        const fs::path path = folder_ / "photos" / (seed % 2 ? "b" : "a") / (std::to_string(seed) + ".jpg");
        fs::create_directories(path.parent_path());
        const auto file = test::encode(test::test_picture(size, 3, seed++), {});
        std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
      }
  }
  std::string text_of_spec(const std::string& loader) const {
    return "[data]\nname = \"folder\"\npath = \"" + (folder_ / "photos").string() + "\"\nbatch = 5\ndtype = \"u8\"\nlayout = \"nhwc\"\n[loader]\nworkers = 2\n" + loader +
           "\n[[augment]]\nop = \"random_resized_crop\"\nsize = 224\n[[augment]]\nop = \"random_horizontal_flip\"\n";
  }
  Json bench(const std::string& loader) {
    EXPECT_EQ(run({"bench", "loader", spec(text_of_spec(loader)), "--epochs", "3", "--json"}), 0) << text("stderr");
    return last_line();
  }
};

TEST_F(Photographs, BatchesAreTheSameWithEveryCache) {
  const Json none = bench("");
  for (const char* kind : {"encoded", "decoded"}) {
    const Json cached = bench("cache = \"" + std::string(kind) + "\"");
    EXPECT_EQ(cached["digest"], none["digest"]) << kind;
    EXPECT_EQ(cached["memory"]["cached_samples"], 24) << kind;
  }
}

TEST_F(Photographs, ACacheThatHoldsOnlyAPartOfThemStaysInItsBoundAndChangesNoBatch) {
  const Json none = bench("");
  const std::uint64_t without = none["memory"]["forecast_bytes"];
  const Json cached = bench("cache = \"decoded\"\nmemory = " + std::to_string(without + (4 << 20)));
  EXPECT_EQ(cached["digest"], none["digest"]);
  EXPECT_GT(cached["memory"]["cached_samples"], 0);
  EXPECT_LT(cached["memory"]["cached_samples"], 24);
  EXPECT_LE(cached["memory"]["cached_bytes"], cached["memory"]["cache_bytes"]);
  EXPECT_LE(cached["memory"]["forecast_bytes"], without + (4 << 20));
}

TEST_F(Photographs, ABadFileIsTheSameFaultWithADecodedCache) {
  const fs::path victim = folder_ / "photos" / "a" / "4.jpg";
  fs::resize_file(victim, fs::file_size(victim) * 2 / 3);
  const Json none = bench("on_bad_sample = \"substitute\"");
  const Json cached = bench("on_bad_sample = \"substitute\"\ncache = \"decoded\"");
  EXPECT_EQ(cached["digest"], none["digest"]);
  EXPECT_EQ(cached["bad_samples"], none["bad_samples"]);
}

TEST_F(Photographs, TheForecastIsKept) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep freed memory";
#endif
  const Json result = bench("");
  EXPECT_LE(result["resident"]["added_bytes"].get<double>(), 1.1 * result["memory"]["forecast_bytes"].get<double>()) << result["memory"] << result["resident"];
  EXPECT_EQ(result["memory"]["largest"], Json({500, 480}));
}

TEST_F(Photographs, TheForecastOfLargeProgressivePicturesIsKept) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep freed memory";
#endif
  const auto file = test::encode(test::test_picture({2600, 2400}, 3, 1), {.progressive = true});
  for (int i = 0; i < 10; ++i)
    std::ofstream(folder_ / "photos/a" / ("large" + std::to_string(i) + ".jpg"), std::ios::binary).write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  const Json result = bench("");
  EXPECT_LE(result["resident"]["added_bytes"].get<double>(), 1.1 * result["memory"]["forecast_bytes"].get<double>()) << result["memory"] << result["resident"];
}

TEST_F(Photographs, AShortBoundShortensTheQueueAndTooShortAOneIsRefusedWithTheArithmetic) {
  const std::uint64_t whole = bench("prefetch = 8")["memory"]["forecast_bytes"];
  EXPECT_EQ(run({"bench", "loader", spec(text_of_spec("prefetch = 8\nmemory = " + std::to_string(whole - (3 << 20)))), "--epochs", "1", "--json"}), 0);
  EXPECT_THAT(text("stderr"), testing::HasSubstr("loader.prefetch is 3 in place of 8"));
  EXPECT_LE(last_line()["memory"]["forecast_bytes"], whole - (3 << 20));
  EXPECT_EQ(run({"bench", "loader", spec(text_of_spec("memory = \"4 MiB\"")), "--epochs", "1"}), 2);
  EXPECT_THAT(text("stderr"), testing::HasSubstr("with prefetch 1, the bound is 4.00 MiB (loader.memory): slots "));
  EXPECT_THAT(text("stderr"), testing::HasSubstr("raise loader.memory"));
}

constexpr const char* kSleeps = "\n[train]\nmodel = \"sleep\"\nstep_microseconds = 100\n";

TEST_F(Photographs, TuneForecastsEachSettingAsItWouldBeAlone) {
  EXPECT_EQ(run({"tune", spec(text_of_spec("") + kSleeps), "--json", "--seconds", "1"}), 0) << text("stderr");
  const Json tuned = last_line();
  ASSERT_GE(tuned["by_workers"].size(), 1u) << tuned;
  Json all = tuned["by_workers"];
  for (const Json& tried : tuned["by_prefetch"]) all.push_back(tried);  // None, where a busy machine left no time.
  for (const Json& tried : all) {
    EXPECT_EQ(run({"bench", "loader", spec(text_of_spec("prefetch = " + tried["prefetch"].dump())), "--set", "loader.workers=" + tried["workers"].dump(), "--epochs", "1", "--json"}), 0);
    EXPECT_EQ(tried["memory_bytes"], last_line()["memory"]["forecast_bytes"]) << tried;
  }
}

TEST_F(Photographs, TuneKeepsToTheBoundAndSaysWhatItLeavesOut) {
  EXPECT_EQ(run({"bench", "loader", spec(text_of_spec("prefetch = 1")), "--set", "loader.workers=1", "--epochs", "1", "--json"}), 0);
  // For one worker, and a quarter for the batches of the legs beside it.
  const std::uint64_t bound = last_line()["memory"]["forecast_bytes"].get<std::uint64_t>() * 4 / 3 + (1 << 20);
  EXPECT_EQ(run({"tune", spec(text_of_spec("memory = " + std::to_string(bound)) + kSleeps), "--set", "loader.workers=1", "--json", "--seconds", "1"}), 0) << text("stderr");
  EXPECT_THAT(text("stdout"), testing::HasSubstr("not tried: workers 2, prefetch 2: more than the bound of memory"));
  for (const Json& tried : last_line()["by_workers"]) EXPECT_LE(tried["memory_bytes"], bound);
}

TEST_F(Photographs, TheOldMeaningOfTheKeyIsToldItsNewName) {
  EXPECT_EQ(run({"bench", "loader", spec(text_of_spec("memory = \"page-locked\""))}), 2);
  EXPECT_THAT(text("stderr"), testing::HasSubstr("write loader.slot_memory = \"page-locked\""));
}

/// A cgroup of its own, where this machine lets one be made; version 2 first.
class RealCgroup : public Photographs {
 protected:
  static constexpr std::uint64_t kLimit = 200 << 20;
  bool make() {
    for (const auto& [mount, file] : {std::pair<fs::path, const char*>{"/sys/fs/cgroup", "memory.max"}, {"/sys/fs/cgroup/unified", "memory.max"}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}}) {
      std::error_code error;
      if (!fs::exists(mount / "cgroup.procs", error)) continue;
      group_ = mount / ("millrace-test-" + std::to_string(getpid()));
      if (fs::create_directory(group_, error) && fs::exists(group_ / file, error)) {
        std::ofstream out(group_ / file);
        if (out << kLimit << std::flush) return true;
      }
      fs::remove(group_, error);
    }
    group_.clear();
    return false;
  }
  ~RealCgroup() override {
    std::error_code error;
    for (int i = 0; !group_.empty() && i < 100 && !fs::remove(group_, error); ++i) usleep(10'000);  // Its last process is just going.
  }
  fs::path group_;
};

TEST_F(RealCgroup, TheBoundIsHalfOfItsLimitAndTheLoaderLivesInIt) {
  if (!make()) GTEST_SKIP() << "no cgroup can be made here: needs root and a writable cgroup file system";
  const std::string path = spec(text_of_spec("cache = \"decoded\""));
  const std::string join = "echo $$ > " + (group_ / "cgroup.procs").string() + " && exec " + MILLRACE_PROGRAM + " bench loader " + path + " --epochs 20 --json > " +
                           (folder_ / "stdout").string() + " 2> " + (folder_ / "stderr").string();
  const int status = std::system(join.c_str());
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text("stderr");
  const Json result = last_line();
  EXPECT_EQ(result["memory"]["bound_bytes"], kLimit / 2);
  EXPECT_LE(result["memory"]["forecast_bytes"], kLimit / 2);
  EXPECT_THAT(result["memory"]["bound"].get<std::string>(), testing::HasSubstr("that the cgroup allows"));
}

TEST(ResidentCurve, SeesWhatIsAddedAndFoldsItsPointsWhenThereAreMany) {
  ResidentCurve curve;
  std::vector<char> more(64 << 20, 1);
  curve.at(1);
  EXPECT_GE(curve.added_bytes(), more.size() / 2) << int(more[more.size() / 2]);
  EXPECT_EQ(curve.points().size(), 1u);
}

}  // namespace
}  // namespace millrace
