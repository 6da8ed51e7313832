#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/buffer.h"
#include "pipeline/error.h"
#include "pipeline/image.h"

namespace millrace {

/// What a header says, before a pixel is decoded.
struct ImageInfo {
  Size size;
  int channels = 3;         ///< Of the decoded picture: 1 or 3.
  bool progressive = false; ///< JPEG: costs about three times a baseline file.
};

/// Turns encoded bytes into pixels. One object a worker: it keeps its library handle and scratch between calls.
/// Threads: one caller at a time.
/// Errors:  Fault with kind and detail; index and origin are filled in by the caller.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Reads the header only.
  virtual Expected<ImageInfo> header(std::span<const std::uint8_t> bytes) = 0;
  /// Decodes `roi` (inside the image) of the bytes that `header` was last called with. The view is roi.width x roi.height
  /// and points into `canvas`; it equals decoding everything and cropping, to the bit.
  virtual Expected<ImageView> decode(std::span<const std::uint8_t> bytes, const Roi& roi, Buffer& canvas) = 0;
};

}  // namespace millrace
