#pragma once
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace millrace {

/// A program run to its end, with all that it starts, and what that tree of processes took.
struct TreeRun {
  int status = 0;                ///< Exit code; -N: ended by signal N.
  bool timed_out = false;
  std::string out, err;
  std::uint64_t peak_rss_bytes = 0;  ///< Summed over the tree: a page that two processes share counts for both,
  std::uint64_t peak_pss_bytes = 0;  ///< and half for each here (looked at less often; 0 where the kernel does not say).
};

/// Runs `command` (a path, then its arguments) in a process group of its own, looking at its tree 20 times a second. When `stop` is requested or the limit
/// is over, the whole group is killed.
/// Errors: Error(internal) where no process can be made.
TreeRun run_tree(const std::vector<std::string>& command, std::chrono::milliseconds limit, std::stop_token stop);

}  // namespace millrace
