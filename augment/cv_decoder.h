#pragma once
#include <cstdint>
#include <memory>

#include "pipeline/decoder.h"
#include "pipeline/jpeg.h"

namespace millrace::augment {

struct CvDecoderOptions {
  int channels = 3;                      ///< 3: RGB, grey replicated. 1: grey, by Pillow's convert("L").
  std::int64_t max_pixels = 64'000'000;  ///< Of the declared size; refused before anything is decoded.
};

/// PNG, WebP and BMP through OpenCV's codecs: 8 bits a channel (of 16-bit colour the high byte, as Pillow takes it), alpha
/// dropped without compositing, no EXIF rotation. The whole picture is decoded, then cropped.
/// Threads: one caller at a time. Owns: nothing between calls.
/// Errors:  Fault truncated, corrupt, unsupported or too_large; Error(usage) for options. No exception of OpenCV leaves it.
std::unique_ptr<Decoder> make_cv_decoder(const CvDecoderOptions& options = {});

/// JPEG by pipeline/jpeg.h, all else by the above; which one is told by the file's first bytes, not by its name.
std::unique_ptr<Decoder> make_image_decoder(const JpegOptions& options = {});

}  // namespace millrace::augment
