#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "datasets/idx.h"
#include "pipeline/source.h"

namespace millrace {

struct DigitsOptions {
  Split split = Split::train;
  std::optional<std::uint64_t> size; ///< Pictures; by default 60,000 (train) or 10,000 (test).
  std::uint64_t seed = 1;
  int threads = 0;                   ///< Of the generation; 0: as many as there are cores. Never changes a picture.
};

/// `digits`: a generated set in MNIST's shape (28 x 28 x 1, ten classes, white on black), for runs without any download.
/// A picture is a written digit: one of several styles, its knots moved, bent, slanted, turned and scaled, drawn by a pen of
/// varying width and pressure, sometimes interrupted or speckled, slightly blurred and noisy. Picture i of a split depends on
/// (seed, split, i) only: a smaller set is the beginning of a larger one, and the bytes are the same on every x86-64
/// machine (float arithmetic without libm).
/// Cost:    about 6 us a picture and core, when the set is opened. Limit: 5,000,000 pictures (3.9 GB).
/// Difficulty: LeNet-5 reaches about 99 % on the test split; see README.md.
/// Errors:  Error(usage) for a size of 0 or above the limit.
/// Source:  none; our own drawing.
std::unique_ptr<Source> open_digits(const DigitsOptions& options = {});

}  // namespace millrace
