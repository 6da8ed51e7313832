#pragma once
#include "augment/image_ops.h"
#include "golden_set.h"

namespace millrace::test {

/// Runs one case's operation through the public functions of augment/. False: the operation is unknown.
/// `in` and `out` may be the same picture where `in_place_allowed` says so; `picture` is for float results.
bool run_operation(const std::string& op, GoldenParameters& p, ImageView in, MutableImageView out, float* picture, Scratch& scratch);
bool in_place_allowed(const std::string& op);

}  // namespace millrace::test
