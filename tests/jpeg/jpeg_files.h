#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <jpeglib.h>

#include "pipeline/image.h"

/// JPEG files for tests, made with libjpeg itself, and the reference they are judged by: libjpeg's plain decoding loop.
namespace millrace::test {

using File = std::vector<std::uint8_t>;

struct Pixels {
  Size size;
  int channels = 3;
  std::vector<std::uint8_t> data; ///< Tight rows.
  ImageView view() const { return {data.data(), size.width, size.height, channels, std::ptrdiff_t(size.width) * channels}; }
};

struct Encoding {
  int components = 3;
  std::vector<std::pair<int, int>> sampling = {{2, 2}, {1, 1}, {1, 1}}; ///< Horizontal, vertical.
  bool progressive = false, arithmetic = false, separate_scans = false;
  int restart_blocks = 0; ///< MCUs an interval; 0: none.
  int quality = 85;
  int last_scan = 0; ///< Progressive: 0 for all, otherwise only so many scans (an unfinished file).
};

/// Smooth colours with noise and edges: every block has something to get wrong.
Pixels test_picture(Size size, int channels, unsigned seed);
File encode(const Pixels& picture, const Encoding& how);

struct Reference {
  bool complete = false; ///< All rows came without an error; what follows them in the file is not read.
  bool damaged = false;  ///< libjpeg warned of lost data.
  Pixels pixels;
};
/// A whole picture by jpeg_read_scanlines row by row. `color` is libjpeg's output colour space, or unknown: its own default.
Reference decode_plainly(std::span<const std::uint8_t> file, int scale_denominator = 1, J_COLOR_SPACE color = JCS_UNKNOWN);

bool equal(const ImageView& a, const ImageView& b);
File read_file(const std::filesystem::path& path);
std::filesystem::path data_folder(); ///< MILLRACE_DATA, or data/ in the source tree.

}  // namespace millrace::test
