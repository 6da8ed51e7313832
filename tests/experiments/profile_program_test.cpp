// Cases so far from balance that no busy machine turns them round.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/experiments/program_fixture.h"
#include "tests/jpeg/jpeg_files.h"

namespace millrace {
namespace {

class ProfileProgram : public Program {
 protected:
  /// Generated digits and a trainer that sleeps.
  std::string sleeping(double loader_us, int step_us, const std::string& workers = "1") {
    return spec("[data]\nname = \"digits\"\nsubset = 256\nbatch = 16\n[loader]\nworkers = " + workers + "\nextra_us_per_image = " + std::to_string(loader_us) +
                "\n[train]\nmodel = \"sleep\"\nsteps = 20\nstep_microseconds = " + std::to_string(step_us) + "\n");
  }
  Json profiled(std::vector<std::string> arguments, const std::string& seconds = "0.8") {
    arguments.insert(arguments.begin(), "profile");
    arguments.insert(arguments.end(), {"--json", "--seconds", seconds});
    EXPECT_EQ(run(arguments), 0) << text("stderr");
    return last_line();
  }
};

TEST_F(ProfileProgram, NamesASlowLoader) {
  const Json p = profiled({sleeping(1000, 100)});
  EXPECT_EQ(p["verdict"], "loader-bound") << p.dump();
  for (const char* leg : {"L", "C", "T", "A", "E", "X"}) EXPECT_GT(p["legs"][leg].get<double>(), 0) << leg;
  EXPECT_LT(p["legs"]["L"].get<double>(), 1500);  // 1,000 us an image, but for what lay ready when a window began.
  EXPECT_EQ(p["legs"]["A"], p["legs"]["C"]);
  EXPECT_EQ(p["measured"], p["legs"]["E"]);
  EXPECT_TRUE(p["fetch_stall_seconds_per_image"].is_null());
  EXPECT_EQ(p["fetch_stall_skipped"], "the set lies in memory");
  EXPECT_GT(p["slowest"].size(), 0u);
  const std::string said = text("stdout");
  for (const char* words : {"verdict: loader-bound", "one worker more (2)", "overlap efficiency", "The queue between them", "digits["})
    EXPECT_NE(said.find(words), std::string::npos) << words << "\n" << said;
}

TEST_F(ProfileProgram, NamesASlowTrainer) {
  const Json p = profiled({sleeping(0, 30000)});
  EXPECT_EQ(p["verdict"], "compute-bound") << p.dump();
  EXPECT_LT(p["legs"]["C"].get<double>(), 16 / 0.03);
}

class SlowDisk : public ProfileProgram {
 protected:
  SlowDisk() {
    std::filesystem::create_directories(set_ / "only");
    for (int i = 0; i < 32; ++i) {
      const test::File bytes = test::encode(test::test_picture({64, 48}, 3, unsigned(i)), {});
      std::ofstream(set_ / "only" / ("p" + std::to_string(i) + ".jpg"), std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    }
  }
  std::string spec_of(int read_us, const std::string& loader = "") {
    return spec("[data]\nname = \"folder\"\npath = \"" + set_.string() + "\"\nbatch = 2\nextra_us_per_read = " + std::to_string(read_us) + "\n" + loader +
                "[[augment]]\nop = \"center_crop\"\nsize = 32\n[train]\nmodel = \"sleep\"\nsteps = 4\nstep_microseconds = 1000\n");
  }
  const std::filesystem::path set_ = folder_ / "pictures";
};

TEST_F(SlowDisk, IsNamedWithTheFilesThatWereSlow) {
  const Json p = profiled({spec_of(60000)});
  EXPECT_EQ(p["verdict"], "storage-bound") << p.dump();
  EXPECT_GT(p["read_share"]["median"].get<double>(), 0.5);
  // On a busy machine a sample whose core another process took may lead the list.
  EXPECT_TRUE(std::ranges::any_of(p["slowest"], [](const Json& s) { return s["stage"] == "read" && s["origin"].get<std::string>().ends_with(".jpg"); }))
      << p["slowest"].dump();
}

TEST_F(SlowDisk, IsNoMatterToACacheThatHoldsTheSet) {
  // A quarter of the time is for filling it: 32 reads of 5 ms.
  const Json p = profiled({spec_of(5000, "[loader]\ncache = \"encoded\"\n")}, "4");
  EXPECT_NE(p["verdict"], "storage-bound") << p.dump();
  EXPECT_LT(p["read_share"]["median"].get<double>(), 0.5);
  EXPECT_NE(p["fetch_stall_skipped"].get<std::string>().find("kept in memory: 32 of 32"), std::string::npos) << p["fetch_stall_skipped"];
}

TEST_F(ProfileProgram, WritesAPage) {
  const std::string file = sleeping(100, 1000);
  EXPECT_EQ(run({"profile", file, "--seconds", "0.8", "--out", out()}), 0) << text("stderr");
  EXPECT_TRUE(std::filesystem::exists(out() + "/profile.md"));
  EXPECT_TRUE(std::filesystem::exists(out() + "/profile.json"));
}

TEST_F(ProfileProgram, RefusesASlowDiskForASetInMemory) {
  EXPECT_EQ(run({"profile", sleeping(0, 1000), "--set", "data.extra_us_per_read=100"}), 2);
  EXPECT_NE(text("stderr").find("lies in memory"), std::string::npos) << text("stderr");
}

TEST_F(ProfileProgram, TuneAdvisesANumberOfWorkersAndADepth) {
  EXPECT_EQ(run({"tune", sleeping(0, 5000), "--json", "--seconds", "1.5"}), 0) << text("stderr");
  const Json t = last_line();
  EXPECT_GE(t["workers"].get<int>(), 0);
  EXPECT_GE(t["prefetch"].get<int>(), 1);
  EXPECT_GE(t["by_workers"].size(), 2u);  // On a busy machine no time is left for a third.
  EXPECT_TRUE(text("stdout").find("<- advised") != std::string::npos || text("stdout").find("<- keep") != std::string::npos);
}

TEST_F(ProfileProgram, SaysAtTheStartWhenARoundTakesLongerThanWasAskedFor) {
  const Json p = profiled({sleeping(0, 200000)}, "0.5");
  EXPECT_NE(text("stderr").find("a step takes "), std::string::npos) << text("stderr");
  EXPECT_NE(text("stderr").find("more than the 0.500 s asked for; a smaller data.batch makes it shorter"), std::string::npos) << text("stderr");
  EXPECT_EQ(p["rounds"], 1);
  EXPECT_TRUE(p["intervals"]["E"]["low"].is_null()) << "one reading has no interval";
  EXPECT_EQ(text("stdout").find("95 % interval"), std::string::npos) << text("stdout");
}

TEST_F(ProfileProgram, TuneSaysAtTheStartWhenTwoReadingsTakeLongerThanWasAskedFor) {
  EXPECT_EQ(run({"tune", sleeping(0, 200000), "--json", "--seconds", "0.5"}), 0) << text("stderr");
  EXPECT_NE(text("stderr").find("reading two settings twice needs about"), std::string::npos) << text("stderr");
  const Json t = last_line();
  EXPECT_EQ(t["by_workers"].size(), 2u);
  EXPECT_TRUE(t["by_prefetch"].empty());
  EXPECT_EQ(t["prefetch_found"], false);
  EXPECT_NE(text("stdout").find("loader.prefetch: not tried: keep 2"), std::string::npos) << text("stdout");
}

TEST_F(ProfileProgram, AutoWorkersAreSettledBeforeTheRun) {
  EXPECT_EQ(run({"train", sleeping(2000, 100, "\"auto\""), "--out", out()}), 0) << text("stderr");
  EXPECT_NE(text("stderr").find("loader.workers = \"auto\": "), std::string::npos) << text("stderr");
  EXPECT_EQ(run({"train", sleeping(0, 100, "\"many\""), "--out", out()}), 2);
  EXPECT_NE(text("stderr").find("or \"auto\""), std::string::npos) << text("stderr");
}

}  // namespace
}  // namespace millrace
