#pragma once
#include <array>
#include <cstdint>

#include "pipeline/formats/reader.h"

// How a BMP file says what its pixels are. Private to pipeline/formats/.
namespace millrace {

/// One colour of a pixel of 16, 24 or 32 bits: a shift and a mask, widened to 8 bits.
struct BmpChannel {
  int shift = 0;
  std::uint32_t most = 255;  ///< The mask, shifted down: 31, 63 or 255.
  /// Source: Pillow Unpack.c, BGR;15 and BGR;16: value * 255 / most, truncated.
  std::uint8_t of(std::uint32_t pixel) const {
    const std::uint32_t value = pixel >> shift & most;
    return static_cast<std::uint8_t>(most == 255 ? value : value * 255 / most);
  }
};

enum class BmpPacking : std::uint8_t { plain, rle8, rle4 };

struct BmpHeader {
  std::int64_t width = 0, height = 0;
  bool top_down = false;
  int bits = 0;
  BmpPacking packing = BmpPacking::plain;
  std::uint64_t pixels_at = 0;
  std::array<BmpChannel, 3> channels;                 ///< R, G, B; of 16 bits and more.
  std::array<std::array<std::uint8_t, 3>, 256> colors{};  ///< RGB by index; of 8 bits and fewer. Indices without one are black.

  std::uint64_t stride_bytes() const { return (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(bits) + 31) / 32 * 4; }
};

/// Errors: Fault truncated, corrupt, or unsupported for whatever Pillow refuses, or reads other than the format's description says.
Expected<BmpHeader> read_bmp_header(FileBytes bytes);

/// Run lengths to one index a pixel, in the file's order of rows: width * height of them.
/// Errors: Fault corrupt or truncated where the runs end before all pixels have a value.
Expected<void> unpack_bmp_runs(FileBytes bytes, const BmpHeader& header, std::uint8_t* indices);

}  // namespace millrace
