#pragma once
#include <vector>

#include "augment/affine.h"
#include "augment/normalize.h"
#include "augment/ops.h"
#include "augment/timm_config.h"

// What compile() makes of a list of operations. Private to augment/.
namespace millrace::augment {

/// A recipe, checked: every operation fits the ones before it.
struct Compiled {
  RecipeOptions options;
  RowFormat format;
  std::vector<Operation> operations;  ///< Without Normalize; their order is the slots' order.
  std::vector<Fill> fills;            ///< Of each slot's geometric operations and padding.
  std::vector<TimmConfig> timm;       ///< Of each slot that holds TimmRandAugment.
  Normalizer normalizer;              ///< For f32 rows.
};

/// Errors: Error(usage) that names the operation and what does not fit.
Compiled check(std::vector<Operation> operations, const RecipeOptions& options);

/// The name of an operation as specs write it.
const char* name_of(const Operation& operation);

}  // namespace millrace::augment
