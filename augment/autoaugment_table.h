#pragma once
#include <array>

#include "augment/ops.h"
#include "augment/policies.h"

namespace millrace::augment {

struct AutoAugmentStep {
  TvOp op;
  double probability;
  int bin;  ///< 0 .. 9; without meaning for operations without a magnitude.
};
using AutoAugmentPolicy = std::array<AutoAugmentStep, 2>;
inline constexpr int kAutoAugmentPolicies = 25;

/// The published policies (Cubuk et al., "AutoAugment", CVPR 2019), as torchvision lists them.
const AutoAugmentPolicy& auto_augment_policy(AutoAugment::Policy set, int index);

}  // namespace millrace::augment
