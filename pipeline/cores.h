#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace millrace {

/// Where the kernel says what cgroups allow: `mount` holds them, `membership` names this process's own, as /proc/self/cgroup does.
/// Version 2 and version 1, also beside one another; a process is bound by its own group and by each above it, as far as it may see.
struct Cgroups {
  std::string mount = "/sys/fs/cgroup";
  std::string membership = "/proc/self/cgroup";
};

/// Cores' worth of time that the cgroup allows (1.5: one and a half); empty: no quota.
std::optional<double> cgroup_cores(const Cgroups& cgroups = {});

/// Bytes that the cgroup may hold; empty: no limit.
std::optional<std::uint64_t> cgroup_memory(const Cgroups& cgroups = {});

/// Cores of the affinity mask, and how many threads are of use: the same, or the quota rounded up where that is less. Each at least 1.
/// All who size themselves by cores ask here: loader, trainer, generated sets, "auto".
/// Threads: any. Errors: none; what cannot be read limits nothing.
int visible_cores();
int usable_cores(const Cgroups& cgroups = {});

}  // namespace millrace
