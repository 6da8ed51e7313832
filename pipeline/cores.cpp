#include "pipeline/cores.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

namespace millrace {
namespace {

namespace fs = std::filesystem;

/// Calls `look` with the folder of each group that binds this process: where the hierarchy is mounted, then down to its own. In a
/// container the mount may be its own group, and the path that of the host, which is not there.
void for_each_group(const fs::path& mount, const fs::path& group, const std::function<void(const fs::path&)>& look) {
  fs::path at = mount;
  look(at);
  for (const fs::path& part : group.relative_path()) {
    if (part == "..") break;  // Outside of what this process may see.
    at /= part;
    look(at);
  }
}

/// The same in all hierarchies: `of_v2` for version 2, `of_v1` for version 1's with this controller.
void for_each_group(const Cgroups& cgroups, const std::string& controller, const std::function<void(const fs::path&)>& of_v2,
                    const std::function<void(const fs::path&)>& of_v1) {
  std::ifstream in(cgroups.membership);
  for (std::string line; std::getline(in, line);) {  // "0::/group" (version 2), "5:cpu,cpuacct:/group" (version 1)
    const auto first = line.find(':'), second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    const fs::path mount = cgroups.mount;
    if (controllers.empty()) {
      for_each_group(mount, group, of_v2);
      for_each_group(mount / "unified", group, of_v2);
    } else if (("," + controllers + ",").find("," + controller + ",") != std::string::npos) {
      for_each_group(mount / controller, group, of_v1);
      if (controllers != controller) for_each_group(mount / controllers, group, of_v1);
    }
  }
}

template <class T>
void lower(std::optional<T>& least, T limit) {
  least = std::min(least.value_or(limit), limit);
}

}  // namespace

std::optional<double> cgroup_cores(const Cgroups& cgroups) {
  std::optional<double> least;
  const auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0) lower(least, quota / period);
  };
  const auto v2 = [&](const fs::path& group) {  // "max 100000" or "200000 100000"
    double quota = 0, period = 0;
    if (std::ifstream in(group / "cpu.max"); in >> quota >> period) take(quota, period);
  };
  const auto v1 = [&](const fs::path& group) {  // -1: none
    double quota = 0, period = 0;
    std::ifstream of_quota(group / "cpu.cfs_quota_us"), of_period(group / "cpu.cfs_period_us");
    if (of_quota >> quota && of_period >> period) take(quota, period);
  };
  for_each_group(cgroups, "cpu", v2, v1);
  return least;
}

std::optional<std::uint64_t> cgroup_memory(const Cgroups& cgroups) {
  constexpr std::uint64_t kNone = std::uint64_t{1} << 62;  // "max" is no number, and version 1 says nearly 2^63.
  std::optional<std::uint64_t> least;
  const auto file = [&](const char* name) {
    return [&least, name](const fs::path& group) {
      std::uint64_t limit = 0;
      if (std::ifstream in(group / name); in >> limit && limit < kNone) lower(least, limit);
    };
  };
  for_each_group(cgroups, "memory", file("memory.max"), file("memory.limit_in_bytes"));
  return least;
}

int visible_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  const int cores = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(1, cores);
}

int usable_cores(const Cgroups& cgroups) {
  const int visible = visible_cores();
  return std::max(1, static_cast<int>(std::min(double(visible), std::ceil(cgroup_cores(cgroups).value_or(visible)))));
}

}  // namespace millrace
