#pragma once
#include <array>

#include "augment/normalize.h"
#include "pipeline/image.h"

// Point operations: each is a table of 256 bytes a channel. Source: Pillow ImageOps.py, timm's auto_augment.py.
// Threads: any. Errors: none.
namespace millrace::augment {

using Tables = std::array<Table, 3>;

Table invert_table();
Table solarize_table(double threshold);  ///< v < threshold ? v : 255 - v; the threshold may be fractional.
Table solarize_add_table(int amount, int threshold = 128);
Table posterize_table(int bits);               ///< 8 and more: identity; 0 and less: black.
Table brightness_table(float factor);          ///< Blend with black.
Table contrast_table(float factor, int mean);  ///< Blend with grey `mean`.

/// Counts of each value, a channel each.
using Histograms = std::array<std::array<std::uint32_t, 256>, 3>;
void histograms(ImageView in, Histograms& counts);
/// What the counts become when `tables` are applied to the picture.
void map_histograms(const Tables& tables, int channels, Histograms& counts);
Table autocontrast_table(const std::array<std::uint32_t, 256>& counts);
Table equalize_table(const std::array<std::uint32_t, 256>& counts);

/// In place where `in` and `out` are the same picture, otherwise they must not overlap.
void apply_table(ImageView in, const Table& table, MutableImageView out);
void apply_tables(ImageView in, const Tables& tables, MutableImageView out);

}  // namespace millrace::augment
