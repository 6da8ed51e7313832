#pragma once
#include <functional>
#include <stop_token>
#include <vector>

#include "experiments/assemble.h"
#include "experiments/fault_file.h"

namespace millrace {

/// What one pass over a set's headers found, before a picture of it is wanted.
struct FirstLook {
  std::uint64_t looked_at = 0;  ///< Of all samples, or, where the time was up, of as many, spread over the set.
  std::uint64_t bad = 0;        ///< Of these.
  std::vector<Fault> faults;    ///< The first of each thread's, by index; not all.
  double seconds = 0;
};

/// Reads each sample's header (the first bytes of its file, or all of it where these do not suffice) and asks `recipe` whether it
/// would take the picture. Pixels are not decoded: damage behind a header stays unseen.
/// Threads: as many as cores, its own. `shown` is called from one of them, with what was looked at so far.
FirstLook look_at_headers(const Source& source, const Recipe& recipe, const LoaderOptions& options, double most_seconds, std::stop_token stop,
                          const std::function<void(std::uint64_t)>& shown);

/// A test set's first look, so that what would end or empty an evaluation ends the run before its first step. Takes ten seconds at
/// most; a set that lies in memory needs none. Where bad samples are skipped or substituted, a warning says how many will be left out.
/// Errors: Error(data) for a bad sample under on_bad_sample = "fail" (listed in `faults`), and where not one is readable.
void check_test_set(const Spec& spec, const Source& test, const LoaderOptions& options, FaultFile& faults, std::stop_token stop, Reporter& out);

}  // namespace millrace
