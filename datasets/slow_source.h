#pragma once
#include <memory>

#include "pipeline/source.h"

namespace millrace {

/// How long a read takes beyond itself.
struct SlowReads {
  double usual_us = 0;  ///< Of every read,
  double rare_us = 0;   ///< and of one sample in kRare in its place; which ones follows from the index.
  static constexpr unsigned kRare = 1000;
  double of(std::uint64_t index) const;
};

/// A source on a slow disk, made on purpose: each read sleeps first. For constructed cases in tests and profiles.
/// Threads: `read` from any; one that sleeps holds up no other.
/// Owns:    `inner`.
std::unique_ptr<Source> open_slow(std::unique_ptr<Source> inner, const SlowReads& reads);

}  // namespace millrace
