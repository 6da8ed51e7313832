#include "experiments/topology.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "experiments/json.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

std::string cores_here() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::string out;
  for (int core = 0; core < CPU_SETSIZE; ++core) out += CPU_ISSET(core, &set) ? '1' : '0';
  out.erase(out.find_last_of('1') + 1);
  return out;
}

bool overlap(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return true;  // Not known: then they share.
  for (std::size_t core = 0; core < std::min(a.size(), b.size()); ++core)
    if (a[core] == '1' && b[core] == '1') return true;
  return false;
}

}  // namespace

Place place_here(const std::string& node_of_launcher) {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot;
  in >> boot;
  char host[256] = {}, network[64] = {};
  gethostname(host, sizeof host - 1);
  if (readlink("/proc/self/ns/net", network, sizeof network - 1) < 0) network[0] = '\0';
  const std::string machine = boot + " " + host;
  return {machine, machine + " " + network + " " + node_of_launcher, cores_here()};
}

std::string to_words(const Place& place) { return Json({place.machine, place.node, place.cores}).dump(); }

Place place_from(const std::string& words, int rank) {
  const Json read = Json::parse(words, nullptr, false);
  const bool whole = read.is_array() && read.size() == 3 && std::ranges::all_of(read, [](const Json& part) { return part.is_string(); });
  if (!whole) throw Error(ErrorKind::communication, "rank " + std::to_string(rank) + " does not say where it runs: is it of another version of Millrace?");
  return {read[0].get<std::string>(), read[1].get<std::string>(), read[2].get<std::string>()};
}

Topology topology_of(const std::vector<Place>& by_rank, int rank) {
  const Place& mine = by_rank.at(static_cast<std::size_t>(rank));
  std::set<std::string> nodes;
  Topology out{.on_machine = 0, .on_cores = 0};
  for (const Place& place : by_rank) {
    nodes.insert(place.node);
    out.on_machine += place.machine == mine.machine;
    out.on_cores += place.machine == mine.machine && overlap(place.cores, mine.cores);
  }
  out.nodes = static_cast<int>(nodes.size());
  return out;
}

}  // namespace millrace
