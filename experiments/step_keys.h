#pragma once
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "augment/ops.h"
#include "experiments/keys.h"

// Keys that several operations and recipes share, under torchvision's and timm's names (operations.cpp, recipes.cpp).
namespace millrace::step_keys {

using FilterNames = std::vector<std::pair<std::string, Filter>>;
const FilterNames& warp_filters();    ///< nearest bilinear bicubic
const FilterNames& resize_filters();  ///< and box hamming lanczos

/// torchvision's rule: one number d means (-d, d).
void symmetric_range(Keys& keys, const char* name, augment::Range& range, double limit);
void range(Keys& keys, const char* name, augment::Range& value, double low, double high);
void optional_range(Keys& keys, const char* name, std::optional<augment::Range>& value, double low, double high);
/// One number for a square, or [height, width] as torchvision has it. Errors: Error(usage) where the key is missing and no
/// size is set.
void size(Keys& keys, Size& value);
void fill(Keys& keys, std::array<std::uint8_t, 3>& colour);
void rgb(Keys& keys, const char* name, augment::Rgb& value, double low, double high);
/// timm's `interpolation`, which may be "random": bilinear or bicubic, 1/2 each.
void filter_or_random(Keys& keys, Filter& filter, bool& random, const FilterNames& names);
/// timm's names: const, rand (a colour a channel), pixel.
void erasing_value(Keys& keys, const char* name, augment::RandomErasing::Value& value);

}  // namespace millrace::step_keys
