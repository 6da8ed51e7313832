#pragma once
#include "pipeline/image.h"

struct jpeg_decompress_struct;

namespace millrace {

/// Which part of a picture libjpeg is asked for so that a crop comes out exactly.
struct JpegRegion {
  int left = 0, width = 0; ///< Columns for jpeg_crop_scanline; it moves `left` down to an iMCU boundary by itself.
  int top = 0;             ///< Rows to skip.
};

/// Whether a region decode of this file equals decode-then-crop. Call after jpeg_start_decompress.
bool region_decode_is_exact(const jpeg_decompress_struct& cinfo);

/// The region for a crop of an output picture. One pixel of margin left and right keeps the crop's own edges out of fancy
/// upsampling, which takes a picture's first and last chroma sample differently. None is needed above and below: where
/// context rows matter, jpeg_skip_scanlines itself reads from the row above on.
JpegRegion region_for(const jpeg_decompress_struct& cinfo, const Roi& roi);

}  // namespace millrace
