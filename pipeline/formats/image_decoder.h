#pragma once
#include <cstdint>
#include <memory>

#include "pipeline/decoder.h"
#include "pipeline/jpeg_ways.h"

namespace millrace {

/// How encoded pictures become pixels, and what is refused before memory is spent on it.
struct ImageDecoderOptions {
  int channels = 3;                     ///< 3: RGB. 1: grey, by Pillow's convert("L") where the file is coloured.
  bool apply_exif_orientation = false;  ///< Turn pictures upright, as Pillow's ImageOps.exif_transpose does.
  std::int64_t max_pixels = 178'956'970;            ///< Of the declared size: what Pillow takes at most by default.
  int max_scans = 100;                              ///< Of a JPEG: a small file of many scans can ask for hours of work.
  std::int64_t max_library_bytes = 640 * (1 << 20); ///< For the coefficients that JPEG files of several scans keep.
  bool fast_jpeg = true;                            ///< As JpegOptions::fast, and the next as its `ways`.
  std::shared_ptr<JpegWays> jpeg_ways;
};

/// JPEG (pipeline/jpeg.h), PNG by libpng, WebP by libwebp, and BMP, told by the file's first bytes, not by its name.
/// Pixels equal those of Pillow 13's convert("RGB"), or convert("L"), to the bit:
///  - PNG: of 16 bits a channel the high byte, but 16-bit grey is clipped at 255; palette indices without a colour are black.
///  - WebP: of an animation the first frame on its canvas, which is black elsewhere.
///  - BMP: headers of 12 to 124 bytes, 1 to 32 bits, the bit masks that Pillow knows, run lengths (bmp.cpp has the rules).
///  - Alpha is dropped without compositing, everywhere. Colour profiles and gamma are not applied.
/// PNG and BMP are decoded down to the crop's last row only, as JPEG is: damage below it is not seen. A file that is not whole is
/// `truncated`, whatever the crop.
/// With apply_exif_orientation PNG's eXIf and uncompressed XMP chunks and WebP's EXIF and XMP are heeded; PNG's older "Raw profile" texts
/// are not.
/// Threads: one caller at a time. Owns: library handles, and scratch that grows with the pictures (it is DecodeMemory too).
/// Errors:  Fault truncated, corrupt (with the library's words), unsupported ("a TIFF file") or too_large; Error(usage) for options. A
///          roi outside the picture aborts. Libraries print nothing.
std::unique_ptr<Decoder> make_image_decoder(const ImageDecoderOptions& options = {});

}  // namespace millrace
