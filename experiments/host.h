#pragma once
#include <string>

#include "experiments/json.h"

namespace millrace {

/// What numbers depend on beside the program: the machine as this process may use it.
struct Host {
  std::string cpu;          ///< Model name.
  int cores_visible = 1;    ///< Of the affinity mask.
  double cgroup_cores = 0;  ///< CPU quota of the cgroup; 0: none.
  int cores = 1;            ///< What may be used: the smaller of the two, rounded up.
  double memory_gib = 0;
  std::string os;
};
Host read_host();
Json to_json(const Host& host);

/// "2026-11-23T14:31:19Z"
std::string now_utc();
/// Commit of the sources at build time, with "-dirty" where they differed from it.
const char* build_commit();
const char* build_type();
const char* version();

/// CPU seconds of this process, and the largest resident set so far.
double process_cpu_seconds();
long peak_rss_bytes();

}  // namespace millrace
