#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/source.h"

namespace millrace {

struct SubsetOptions {
  std::vector<std::uint64_t> indices;           ///< Of the inner source, in the order wanted; empty: 0, 1, 2 ...
  std::uint64_t count = ~std::uint64_t{0};      ///< Keep only the first so many; by default all.
};

/// A source made of another one's samples: sample i is `indices[i]` of `inner`. Repetitions are allowed.
/// A fault's index is the subset's, its origin the inner sample's. info().class_sizes is empty: samples are not counted.
/// Owns:   `inner`.
/// Errors: Error(usage) for an index beyond the inner source, no entry at all, or a count above what there is.
std::unique_ptr<Source> open_subset(std::unique_ptr<Source> inner, SubsetOptions options);

/// numpy.random.RandomState(seed).permutation(n): MT19937, then for i = n-1 .. 1 a swap with j, drawn by masking 32-bit
/// words to the smallest 2^k - 1 >= i and rejecting what exceeds i.
/// Errors: Error(usage) for n above 2^32, where NumPy draws 64-bit words.
std::vector<std::uint64_t> numpy_legacy_permutation(std::uint64_t n, std::uint32_t seed);

}  // namespace millrace
