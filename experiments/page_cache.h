#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/source.h"

namespace millrace {

// Files as the kernel caches them: for a profile's fetch stall.

/// The files that the samples of these indices are read from, each once; empty for a set that lies in memory.
std::vector<std::string> files_of(const Source& source, const std::vector<std::uint64_t>& indices);

/// Asks the kernel to forget these files' pages (posix_fadvise; no privilege is needed). Returns the share of pages that are still
/// there, as mincore tells of at most 64 files; empty: of files that belong to others it tells nothing.
std::optional<double> drop_from_cache(const std::vector<std::string>& files);

/// Bytes of the set, from the sizes of some of its files; 0 where it lies in memory.
std::uint64_t bytes_in_files(const Source& source);

/// What the kernel could use for a cache: MemAvailable, and no more than the cgroup may hold, which pays for its pages. 0: unknown.
std::uint64_t cache_bytes_there();

}  // namespace millrace
