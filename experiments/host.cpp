#include "experiments/host.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "pipeline/cores.h"
#include "version.h"

namespace millrace {
namespace {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

double seconds_of(const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; }

}  // namespace

Host read_host() {
  Host host;
  host.cpu = cpu_model();
  host.cores_visible = visible_cores();
  host.cgroup_cores = cgroup_cores().value_or(0);
  host.cores = usable_cores();
  host.memory_gib = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGE_SIZE)) / double(1 << 30);
  utsname name{};
  if (uname(&name) == 0) host.os = std::string(name.sysname) + " " + name.release + " " + name.machine;
  return host;
}

Json to_json(const Host& host) {
  return {{"cpu", host.cpu},
          {"cores_visible", host.cores_visible},
          {"cgroup_cores", host.cgroup_cores},
          {"cores", host.cores},
          {"memory_gib", std::round(host.memory_gib * 10) / 10},
          {"os", host.os}};
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

const char* build_commit() { return MILLRACE_COMMIT; }
const char* build_type() { return MILLRACE_BUILD_TYPE; }
const char* version() { return MILLRACE_VERSION; }

double process_cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return seconds_of(use.ru_utime) + seconds_of(use.ru_stime);
}

long peak_rss_bytes() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss * 1024;
}

}  // namespace millrace
