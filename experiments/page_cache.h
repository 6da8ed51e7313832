#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/source.h"

namespace millrace {

// Files as the kernel caches them: for a profile's fetch stall.

/// The files that the samples of these indices are read from, each once; empty for a set that lies in memory.
std::vector<std::string> files_of(const Source& source, const std::vector<std::uint64_t>& indices);

/// Asks the kernel to forget these files' pages (posix_fadvise; no privilege is needed). Returns the share of pages that are still
/// there, as mincore tells of at most 64 files.
double drop_from_cache(const std::vector<std::string>& files);

/// Bytes of the set, from the sizes of some of its files; 0 where it lies in memory.
std::uint64_t bytes_in_files(const Source& source);

/// What the kernel could use for a cache: MemAvailable. 0: unknown.
std::uint64_t cache_bytes_there();

}  // namespace millrace
