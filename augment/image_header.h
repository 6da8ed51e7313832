#pragma once
#include <cstdint>
#include <span>

#include "pipeline/error.h"
#include "pipeline/image.h"

namespace millrace::augment {

enum class ImageFormat : std::uint8_t { png, bmp, webp };

/// What is read of a file before any library sees it.
struct ImageHeader {
  ImageFormat format = ImageFormat::png;
  Size size;
};

/// Reads size and structure of a PNG, BMP or WebP file: enough to refuse what is too large, truncated or not supported
/// (16-bit grey PNG, animation, odd BMP compression) without decoding. Threads: any.
/// Errors: Fault truncated (with the offset), corrupt, unsupported, too_large (more than `max_pixels`).
Expected<ImageHeader> read_image_header(std::span<const std::uint8_t> bytes, std::int64_t max_pixels);

}  // namespace millrace::augment
