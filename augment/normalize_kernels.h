#pragma once
#include "augment/normalize.h"

// Inner loops of normalize.cpp. Not part of the public surface.
namespace millrace::augment {

/// Whether the arithmetic form gives every entry of the tables, bit for bit, at the level in use.
bool formula_equals_tables(const Normalizer& normalizer);

}  // namespace millrace::augment
