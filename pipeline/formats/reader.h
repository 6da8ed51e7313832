#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "pipeline/buffer.h"
#include "pipeline/error.h"
#include "pipeline/image.h"

// What the readers of single formats share. Private to pipeline/formats/.
namespace millrace {

using FileBytes = std::span<const std::uint8_t>;

/// What a file's header says, of the picture as it is stored.
struct StoredPicture {
  std::int64_t width = 0, height = 0; ///< As declared: the caller judges them before anything is decoded.
  int orientation = 1;                ///< EXIF's, 1..8, where it was asked for.
  std::uint64_t decode_bytes = 0;     ///< As DecodeMemory's.
};

/// One format. Threads: one caller at a time. Errors: Fault; nothing is printed and nothing thrown but std::bad_alloc.
class FormatReader {
 public:
  virtual ~FormatReader() = default;
  /// Looks at header and structure; decodes nothing. `bytes` stay where they are until `read` has returned.
  virtual Expected<StoredPicture> open(FileBytes bytes, bool wants_orientation) = 0;
  /// Decodes `roi` of the file that was opened last to RGB; once a call of `open`. The view points into `canvas`.
  virtual Expected<ImageView> read(const Roi& roi, Buffer& canvas) = 0;
};

std::unique_ptr<FormatReader> make_png_reader();
std::unique_ptr<FormatReader> make_webp_reader();
std::unique_ptr<FormatReader> make_bmp_reader();

inline tl::unexpected<Fault> refuse(FaultKind kind, std::uint64_t offset, std::string detail) {
  return tl::make_unexpected(Fault{.kind = kind, .offset_bytes = offset, .detail = std::move(detail)});
}

/// Integers of a file; `at` and what follows must lie inside it.
inline std::uint32_t big32(FileBytes b, std::size_t at) {
  return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3];
}
inline std::uint32_t little16(FileBytes b, std::size_t at) { return std::uint32_t{b[at + 1]} << 8 | b[at]; }
inline std::uint32_t little32(FileBytes b, std::size_t at) { return little16(b, at + 2) << 16 | little16(b, at); }

/// A picture of tight RGB rows in `canvas`.
inline MutableImageView rgb_canvas(Buffer& canvas, int width, int height) {
  const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return {canvas.reserve(bytes), width, height, 3, std::ptrdiff_t{width} * 3};
}

}  // namespace millrace
