#pragma once
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "jpeg_files.h"
#include "pipeline/jpeg/huffman_tables.h"

/// Files that no encoder writes, but which are sound: any codes, quantisers and coefficients.
namespace millrace::test {

/// A random code for all of `symbols`: some short, some of 16 bits, with free codes or nearly none.
jpeg::HuffmanCode random_code(std::vector<std::uint8_t> symbols, std::mt19937_64& random);

/// What a baseline file says. Component 0 has h x v blocks an MCU, the others one.
struct RandomJpeg {
  Size size;
  int components = 3, h = 1, v = 1, restart_interval = 0;
  int largest_size = 10;       ///< Bits of the largest AC magnitude.
  int coefficients = 20;       ///< Nonzero ones of a block, about.
  int largest_quantiser = 255; ///< Beyond 255: 16 bits in the file.
  bool same_tables = false;    ///< For luma and chroma.
};
RandomJpeg random_description(std::mt19937_64& random);
/// Draws codes, quantisers and coefficients, and writes the file.
File write_random_jpeg(const RandomJpeg& what, std::mt19937_64& random);

}  // namespace millrace::test
