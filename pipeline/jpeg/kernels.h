#pragma once
#include <cstddef>
#include <cstdint>

#include "pipeline/jpeg/huffman_tables.h"

// The inner loops of BaselineDecoder, one set for each instruction set that is worth it. Not part of the public surface.
namespace millrace::jpeg {

/// How far the loops read behind the end of a scan before they notice it: a block takes at most 63 x 26 + 27 bits, and reading is
/// 8 bytes ahead. Those bytes must be there; what they hold does not matter.
inline constexpr std::size_t kReadAheadBytes = 256;

/// Where the coefficients lie that a scan holds in zigzag order (T.81 figure A.6). Behind the 63rd is place 64, the DC place of the block
/// behind this one, which is written later: what has no place goes there, so that putting needs no branch. `k` of an entropy
/// loop is at most 63 before a look-up, and a look-up's places are at most 15 + 16 + 64 behind, an end of block's 127.
struct Places {
  std::uint8_t of[256] = {};
  constexpr Places() {
    int k = 0;
    for (int sum = 0; sum < 15; ++sum)
      for (int i = 0; i < 8; ++i) {
        const int row = sum % 2 == 0 ? sum - i : i, column = sum - row;
        if (row >= 0 && row < 8 && column >= 0 && column < 8) of[k++] = std::uint8_t(8 * row + column);
      }
    for (; k < 256; ++k) of[k] = 64;
  }
};
inline constexpr Places kPlaces{};

/// The next bits of a scan, the first on top. Of `count` only the low 6 bits tell how many are valid.
struct BitReader {
  std::uint64_t bits = 0, count = 0;
  const std::uint8_t* next = nullptr; ///< The first byte of which not all bits are in `bits`.
};

/// One of the blocks of an MCU, in the scan's order.
struct McuBlock {
  const SymbolTable* dc = nullptr;
  const AcTables* ac = nullptr;
  int component = 0;
  int stride_blocks = 0;               ///< To this block's counterpart in the next MCU.
  std::int16_t* coefficients = nullptr; ///< Of this block in MCU 0: 64 in natural order, zero before decoding; one block more behind the last.
  std::uint8_t* extent = nullptr;      ///< Of the same: one more than the zigzag index of the last coefficient that was coded.
};

/// What entropy decoding goes through, from one MCU to the next.
struct ScanReader {
  BitReader in;
  const std::uint8_t* limit = nullptr; ///< Reading stops after a block that went past it; kReadAheadBytes must lie behind.
  std::uint32_t prediction[3] = {};
  int blocks = 0;
  McuBlock block[6];
};

/// How far copying came.
struct Copied {
  const std::uint8_t* from = nullptr; ///< A marker's FF, or the end.
  std::uint8_t* to = nullptr;         ///< Behind the copy.
};

struct Kernels {
  /// Copies entropy-coded bytes up to a marker, without the 00 behind each FF. Writes up to 31 bytes behind the copy.
  Copied (*unstuff)(const std::uint8_t* from, const std::uint8_t* end, std::uint8_t* to);
  /// Points `in` at the bit `bit` of `bytes`.
  void (*seek)(BitReader& in, const std::uint8_t* bytes, std::uint64_t bit);
  /// Goes past MCUs. False: something no encoder writes, or the limit; `reader` is then of no use.
  bool (*skip)(ScanReader& reader, int mcus);
  /// The same, with coefficients and extents of the MCUs `first` and following.
  bool (*decode)(ScanReader& reader, int first, int mcus);
  /// Inverse DCT of blocks side by side to 8 rows of samples; an odd number of them is rounded up. Not 0: a value beyond what
  /// libjpeg-turbo's vector code computes exactly.
  unsigned (*inverse_dct)(const std::int16_t* coefficients, const std::uint8_t* extents, int blocks, const std::int16_t* quantiser,
                          std::uint8_t* to, std::ptrdiff_t stride);

  // Rows to RGB. All read up to 31 samples behind the last, and write up to 93 bytes behind.
  void (*grey_row)(const std::uint8_t* y, std::uint8_t* rgb, int pixels);
  void (*row_444)(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, std::uint8_t* rgb, int pixels);
  /// Of pictures with half the columns of chroma. `cb` and `cr` hold what the two following give, from the sample before the first pixel's on.
  void (*row_422)(const std::uint8_t* y, const std::uint16_t* cb, const std::uint16_t* cr, std::uint8_t* rgb, int pixels);
  void (*row_420)(const std::uint8_t* y, const std::uint16_t* cb, const std::uint16_t* cr, std::uint8_t* rgb, int pixels);
  /// Chroma samples as they are (4:2:2), and three times the nearer row's plus the further row's (4:2:0). Write up to 15 behind the last.
  void (*widen)(const std::uint8_t* samples, std::uint16_t* to, int count);
  void (*blend)(const std::uint8_t* nearer, const std::uint8_t* further, std::uint16_t* to, int count);
};

/// Null where this machine lacks AVX2 and BMI2: libjpeg-turbo is then the better decoder.
const Kernels* kernels();

}  // namespace millrace::jpeg
