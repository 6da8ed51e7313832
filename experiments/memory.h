#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/json.h"
#include "experiments/spec.h"
#include "pipeline/cached_source.h"
#include "pipeline/cores.h"
#include "pipeline/loader.h"
#include "pipeline/memory_plan.h"

namespace millrace {

/// The one bound of a loader's slots, scratch and cache.
struct MemoryBound {
  std::uint64_t bytes = 0;
  std::string reason;  ///< "loader.memory", "half of what the cgroup allows, 2 GiB", ...
};
/// loader.memory, or half of what the cgroup and the machine allow, shared among `processes` of this host.
MemoryBound memory_bound(const LoaderSpec& loader, int processes = 1, std::optional<std::uint64_t> cgroup = cgroup_memory());

/// A loader's memory made to fit: fewer batches wait where the bound asks for it, and a cache takes what is left.
struct FittedMemory {
  MemoryForecast forecast;
  MemoryBound bound;
  std::unique_ptr<CachedSource> cache;  ///< Null: none wanted, or nothing left for it. Must outlive the loader.
  std::string note;                     ///< What had to give way; empty: nothing.

  const Source& source(const Source& plain) const { return cache ? static_cast<const Source&>(*cache) : plain; }
  /// "forecast 52.0 MiB of 2 GiB: slots 38.5 (4 of 9.6), ..."
  std::string text() const;
};
/// Sets prefetch and workspace_bytes of `options`. `beside`: bytes of other loaders that live at the same time.
/// Errors: Error(usage) with the arithmetic where even the shortest queue does not fit.
FittedMemory fit_memory(const Spec& spec, const Source& source, const Recipe& recipe, LoaderOptions& options, const MemoryBound& bound,
                        std::uint64_t beside = 0);
/// The options of an evaluation made to fit what `forecast` leaves of the bound: fewer batches, then smaller ones. Its bytes; never
/// refuses, since an evaluation at its smallest takes no more than a batch of training.
std::uint64_t fit_evaluation(const Source& source, const Recipe& recipe, LoaderOptions& options, std::uint64_t available);

Json to_json(const FittedMemory& memory);

}  // namespace millrace
