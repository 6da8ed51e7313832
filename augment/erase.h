#pragma once
#include <cstdint>
#include <vector>

#include "augment/ops.h"
#include "pipeline/image.h"
#include "pipeline/random.h"
#include "pipeline/recipe.h"

namespace millrace::augment {

/// Overwrites a box of a normalised picture: with 0 (the data set's mean), with one N(0, 1) a channel, or with one a channel
/// and pixel, drawn channel by channel and row by row, so that the layout does not change the values.
/// Threads: any. Errors: none.
void erase(float* picture, const RowFormat& format, const Roi& box, RandomErasing::Value value, RandomSource& noise);
/// The values of such a box, for who overwrites it later: none of a constant one. Adds them to `into`.
void erased_values(int channels, const Roi& box, RandomErasing::Value value, RandomSource& noise, std::vector<float>& into);

}  // namespace millrace::augment
