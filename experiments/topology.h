#pragma once
#include <string>
#include <vector>

namespace millrace {

/// Where a rank runs, as it says itself. Ranks tell one another once they have met: launchers say it of their own processes at best, and
/// by hand nobody does.
struct Place {
  std::string machine;  ///< Whose cores and memory it uses: the kernel's boot and the host's name, which containers have of their own.
  std::string node;     ///< What counts as a host: the machine as its launcher divides it, in a network of its own.
  std::string cores;    ///< Those that it may run on, a character each: '1' or '0'.
};

/// This process's. `node_of_launcher`: what its launcher calls the node, or empty.
Place place_here(const std::string& node_of_launcher);

/// For World::all_gather, and back. Errors of reading: Error(communication) that names the rank.
std::string to_words(const Place& place);
Place place_from(const std::string& words, int rank);

struct Topology {
  int nodes = 1;        ///< Hosts that the ranks are spread over, equally many on each or not.
  int on_machine = 1;   ///< Ranks that share this rank's memory, itself counted,
  int on_cores = 1;     ///< and those of them that may run on some of its cores.
};
Topology topology_of(const std::vector<Place>& by_rank, int rank);

}  // namespace millrace
