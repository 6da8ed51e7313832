#include "augment/image_ops.h"

#include <algorithm>

namespace millrace::augment {

void invert(ImageView in, MutableImageView out) { apply_table(in, invert_table(), out); }
void solarize(ImageView in, double threshold, MutableImageView out) { apply_table(in, solarize_table(threshold), out); }
void solarize_add(ImageView in, int amount, int threshold, MutableImageView out) {
  apply_table(in, solarize_add_table(amount, threshold), out);
}
void posterize(ImageView in, int bits, MutableImageView out) { apply_table(in, posterize_table(bits), out); }
void brightness(ImageView in, float factor, MutableImageView out) { apply_table(in, brightness_table(factor), out); }
void contrast(ImageView in, float factor, MutableImageView out) { apply_table(in, contrast_table(factor, mean_luma(in)), out); }

void autocontrast(ImageView in, MutableImageView out) {
  Histograms counts;
  histograms(in, counts);
  Tables tables{};
  for (std::size_t c = 0; c < static_cast<std::size_t>(in.channels); ++c) tables[c] = autocontrast_table(counts[c]);
  apply_tables(in, tables, out);
}

void equalize(ImageView in, MutableImageView out) {
  Histograms counts;
  histograms(in, counts);
  Tables tables{};
  for (std::size_t c = 0; c < static_cast<std::size_t>(in.channels); ++c) tables[c] = equalize_table(counts[c]);
  apply_tables(in, tables, out);
}

float desaturate_factor(double amount) { return static_cast<float>(std::min(1.0, std::max(0.0, 1.0 - amount))); }

void resized_crop(ImageView in, const Roi& roi, const ResizeOptions& options, MutableImageView out, Scratch& scratch) {
  resize(in.crop(roi), options, out, scratch);
}

void center_crop(ImageView in, MutableImageView out) {
  const Roi window = center_crop_window(in.size(), out.size());
  crop(in, window.left, window.top, PadMode::constant, {}, out);
}

}  // namespace millrace::augment
