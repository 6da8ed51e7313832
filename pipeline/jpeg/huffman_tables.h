#pragma once
#include <array>
#include <cstdint>

// Look-up tables for the Huffman codes of baseline JPEG (ITU-T T.81, annexes C and F).
//
// A photograph's block has about 104 bits in 17 symbols, so the tables answer for more than one symbol at once:
//   pair  10 bits in: one or two coefficients with their places and, of the second, the value       (1.4 symbols a look-up)
//   skip  11 bits in: as many symbols as lie in them, and how many coefficients they pass over       (1.8 symbols a look-up)
// A code or a second symbol that does not fit the window costs one look-up more; what no table answers goes bit by bit (`find`).
// All tables of a file lie in the first-level cache (32 KB): with one bit more they do not, and decoding takes a quarter longer.
namespace millrace::jpeg {

/// A code as a DHT segment defines it (T.81 B.2.4.2).
struct HuffmanCode {
  std::array<std::uint8_t, 17> lengths{};   ///< lengths[n]: how many codes have n bits; lengths[0] is unused.
  std::array<std::uint8_t, 256> symbols{};  ///< In the order of their codes; 0 behind the last.
  bool operator==(const HuffmanCode&) const = default;
};

enum class CodeOf : std::uint8_t { dc, ac };

inline constexpr unsigned kEndOfBlock = 128;  ///< Added to `advance`: the block ends here.

/// One symbol a look-up. An entry, from its low bits: bits of code and magnitude (0-5), bits of the code (8-13), bits of the
/// magnitude (16-19), and how far the coefficient lies behind the last one (24-31; kEndOfBlock - 1 at an end of block).
/// 0: a code of more than kBits bits, or none.
struct SymbolTable {
  static constexpr int kBits = 8;
  static constexpr int kMaxBits = 26;  ///< Of a code with its magnitude.

  /// False: no code that libjpeg takes, or with symbols that 8-bit baseline does not have (F.1.2: magnitudes to 11 bits of
  /// DC and 10 of AC; runs of 1-14 without a coefficient). The table is then not to be used.
  bool build(const HuffmanCode& code, CodeOf what);
  /// The entry of a code of more than kBits bits, which the 16 bits of `next` begin with, or 0.
  std::uint32_t find(std::uint32_t next) const;

  alignas(64) std::uint32_t entries[1 << kBits];

 private:
  std::array<std::uint32_t, 17> limit_{};  ///< The first 16 bits that are no code of n bits or fewer.
  std::array<int, 17> first_symbol_{};     ///< Index of the first symbol of n bits, less its code.
  HuffmanCode code_;
  CodeOf what_ = CodeOf::dc;
};

/// The tables of an AC code. Plain arrays, as in all that kernels.cpp sees: it must define no standard template.
struct AcTables {
  static constexpr int kPairBits = 10, kSkipBits = 11;
  static constexpr unsigned kNowhere = 64;    ///< A place behind every coefficient: there is nothing to put.
  static constexpr unsigned kOneSymbol = 255; ///< As `advance`: the window holds no whole code.

  SymbolTable symbol;
  /// By byte: 0 the bits of both symbols, 1 and 2 where their coefficients lie behind the last one, 3 and 4 the first magnitude's
  /// lowest bit in a 64-bit window and its bits (as bextr takes them), 5-6 the second value, 7 `advance` of both.
  alignas(64) std::uint64_t pair[1 << kPairBits];
  /// By byte: 0 bits, 1 `advance`, of all symbols whose codes lie in the window.
  alignas(64) std::uint16_t skip[1 << kSkipBits];
};

/// Builds AcTables; keeps scratch between calls. 14 us for both tables of a photograph.
class AcTableBuilder {
 public:
  bool build(const HuffmanCode& code, AcTables& out); ///< False: as SymbolTable::build.

 private:
  void build_skip(const HuffmanCode& code, AcTables& out);
  void build_second(const HuffmanCode& code);
  void build_pair(const HuffmanCode& code, AcTables& out);

  // Tables of r bits begin at [1 << r].
  alignas(64) std::uint16_t skip_[1 << AcTables::kSkipBits];
  alignas(64) std::uint64_t second_[1 << AcTables::kPairBits];
};

/// The value that `size` magnitude bits mean (T.81 F.2.2.1, EXTEND).
constexpr int extend(unsigned magnitude, unsigned size) {
  const bool negative = size > 0 && magnitude >> (size - 1) == 0;
  return negative ? int(magnitude) - (1 << size) + 1 : int(magnitude);
}

}  // namespace millrace::jpeg
