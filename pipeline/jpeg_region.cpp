#include "pipeline/jpeg_region.h"

#include <algorithm>
#include <cstddef>
#include <cstdio> // jpeglib.h needs it.
#include <jpeglib.h>

namespace millrace {
namespace {

bool plain(const jpeg_component_info& component) { return component.h_samp_factor == 1 && component.v_samp_factor == 1; }

/// libjpeg-turbo 2.1 miscounts a cropped row's chroma samples where scaling has undone a part of the subsampling, as it does
/// with factors of 4. Scaled, only what the tests have shown to be exact is trusted.
bool counts_samples_rightly(const jpeg_decompress_struct& cinfo) {
  if (cinfo.scale_denom == 1 || cinfo.num_components == 1) return true;
  const jpeg_component_info& luma = cinfo.comp_info[0];
  if (luma.h_samp_factor > 2 || luma.v_samp_factor > 2 || !plain(cinfo.comp_info[1]) || !plain(cinfo.comp_info[2])) return false;
  return cinfo.num_components == 3;
}

/// libjpeg smooths the blocks of a progressive file whose scans never gave all bits, across the crop's edges.
bool smooths_blocks(const jpeg_decompress_struct& cinfo) {
  constexpr int kCoefficients = 10; // As many as jdcoefct.c's smoothing_ok looks at.
  if (!cinfo.progressive_mode || !cinfo.coef_bits) return false;
  for (int c = 0; c < cinfo.num_components; ++c)
    for (int k = 1; k < kCoefficients; ++k)
      if (cinfo.coef_bits[c][k] != 0) return true;
  return false;
}

}  // namespace

bool region_decode_is_exact(const jpeg_decompress_struct& cinfo) { return counts_samples_rightly(cinfo) && !smooths_blocks(cinfo); }

JpegRegion region_for(const jpeg_decompress_struct& cinfo, const Roi& roi) {
  // With fewer than two chroma samples a row, jpeg_crop_scanline would choose another upsampler.
  constexpr int kMinWidth = 16;
  const int output_width = int(cinfo.output_width);
  const int margin = cinfo.max_h_samp_factor > 1 ? 1 : 0;
  int right = std::min(roi.left + roi.width + margin, output_width);
  int left = std::max(std::min(roi.left - margin, right - kMinWidth), 0);
  right = std::min(std::max(right, left + kMinWidth), output_width);
  return {left, right - left, roi.top};
}

}  // namespace millrace
