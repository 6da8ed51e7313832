#include "pipeline/cores.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace millrace {
namespace {

namespace fs = std::filesystem;

/// A made-up tree of cgroups, and what /proc/self/cgroup would say.
class CgroupTree : public testing::Test {
 protected:
  CgroupTree() : root_(fs::temp_directory_path() / ("millrace_cgroup_" + std::to_string(getpid()))) { fs::create_directories(root_); }
  ~CgroupTree() override { fs::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << "\n";
  }
  Cgroups of(const std::string& membership) {
    write("self", membership);
    return {root_.string(), (root_ / "self").string()};
  }
  std::optional<std::uint64_t> memory(const std::string& membership) { return cgroup_memory(of(membership)); }
  std::optional<double> cores(const std::string& membership) { return cgroup_cores(of(membership)); }
  void quota(const std::string& group, int quota_us, int period_us) {
    write(group + "/cpu.cfs_quota_us", std::to_string(quota_us));
    write(group + "/cpu.cfs_period_us", std::to_string(period_us));
  }
  fs::path root_;
};

using CgroupMemory = CgroupTree;
using CgroupCores = CgroupTree;

TEST_F(CgroupMemory, VersionTwoSaysMemoryMax) {
  write("job/step/memory.max", "2147483648");
  EXPECT_EQ(memory("0::/job/step"), std::uint64_t{2} << 30);
}

TEST_F(CgroupMemory, AParentsLowerLimitCounts) {
  write("job/step/memory.max", "max");
  write("job/memory.max", "1000000000");
  write("memory.max", "4000000000");
  EXPECT_EQ(memory("0::/job/step"), 1'000'000'000u);
}

TEST_F(CgroupMemory, AContainerSeesItsOwnGroupAsTheRoot) {
  write("memory.max", "536870912");
  EXPECT_EQ(memory("0::/docker/0123456789"), 536'870'912u);
}

TEST_F(CgroupMemory, VersionOneHasAFileOfItsOwnAndAHugeNumberForNone) {
  write("memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(memory("12:cpu,cpuacct:/\n5:memory:/job"), std::nullopt);
  write("memory/job/memory.limit_in_bytes", "300000000");
  EXPECT_EQ(memory("12:cpu,cpuacct:/\n5:memory:/job"), 300'000'000u);
}

TEST_F(CgroupMemory, WithoutALimitOrAMembershipThereIsNone) {
  EXPECT_EQ(memory("0::/job"), std::nullopt);
  EXPECT_EQ(memory("nonsense"), std::nullopt);
  EXPECT_EQ(cgroup_memory({root_.string(), (root_ / "missing").string()}), std::nullopt);
}

TEST_F(CgroupCores, VersionTwoSaysQuotaAndPeriod) {
  write("cpu.max", "max 100000");
  EXPECT_EQ(cores("0::/job"), std::nullopt);
  write("job/cpu.max", "150000 100000");
  EXPECT_EQ(cores("0::/job"), 1.5);
}

TEST_F(CgroupCores, TheQuotaOfANestedGroupCountsAndTheLeastOfItsParents) {
  quota("cpu", -1, 100000);
  quota("cpu/user.slice/run-1.scope", 50000, 100000);
  EXPECT_EQ(cores("3:cpu:/user.slice/run-1.scope"), 0.5);
  quota("cpu/user.slice", 20000, 100000);
  EXPECT_EQ(cores("3:cpu:/user.slice/run-1.scope"), 0.2);
  EXPECT_EQ(cores("3:cpuset:/user.slice/run-1.scope"), std::nullopt) << "another controller";
}

TEST_F(CgroupCores, VersionOneMayBeMountedUnderBothNames) {
  quota("cpu,cpuacct/docker", 200000, 100000);
  EXPECT_EQ(cores("4:cpu,cpuacct:/docker"), 2.0);
}

TEST_F(CgroupCores, BothVersionsBesideOneAnotherBindTogether) {
  quota("cpu/job", 300000, 100000);
  write("unified/job/cpu.max", "100000 50000");
  EXPECT_EQ(cores("1:cpu:/job\n0::/job"), 2.0);
}

TEST_F(CgroupCores, UsableCoresAreTheQuotaRoundedUpAndNeverNone) {
  write("cpu.max", "1000 100000");
  EXPECT_EQ(usable_cores(of("0::/")), 1);
  write("cpu.max", "99900000 100000");
  EXPECT_EQ(usable_cores(of("0::/")), visible_cores());
  write("cpu.max", "0 0");
  EXPECT_EQ(usable_cores(of("0::/")), visible_cores());
  EXPECT_GE(visible_cores(), 1);
}

}  // namespace
}  // namespace millrace
