#include "pipeline/jpeg/huffman_tables.h"

#include <algorithm>
#include <iterator>

namespace millrace::jpeg {
namespace {

constexpr unsigned kEnd = 0x00, kSixteenZeros = 0xF0;  // The two AC symbols without a coefficient.

struct Symbol {
  unsigned size, run;
  bool end, chainable;
};

// Nothing is chained behind sixteen zeros: code and magnitude of all other symbols but an end have at least two bits, so no chain of
// a window passes over more than 6 x 16 coefficients, and `advance` fits its byte beside kEndOfBlock.
Symbol ac_symbol(unsigned value) { return {value & 15, value >> 4, value == kEnd, value != kEnd && value != kSixteenZeros}; }

std::uint32_t entry_of(unsigned code_bits, unsigned value, CodeOf what) {
  const unsigned size = value & 15;
  const unsigned run = what == CodeOf::dc ? 0 : value == kEnd ? kEndOfBlock - 1 : value >> 4;
  return (code_bits + size) | code_bits << 8 | size << 16 | run << 24;
}

bool is_baseline(unsigned value, CodeOf what) {
  if (what == CodeOf::dc) return value <= 11;
  const unsigned size = value & 15;
  return size == 0 ? value == kEnd || value == kSixteenZeros : size <= 10;
}

/// Goes through the codes of at most `bits` bits in order, and gives each the part of a table of that many bits which begins with it:
/// fill(code_bits, value, first entry, entries). Returns the first entry that no code begins.
template <class Entry, class Fill>
Entry* for_each_code(const HuffmanCode& code, int bits, Entry* entry, Fill fill) {
  std::size_t k = 0;
  for (int code_bits = 1; code_bits <= bits; ++code_bits)
    for (int i = 0; i < code.lengths[std::size_t(code_bits)]; ++i, ++k) {
      const int entries = 1 << (bits - code_bits);
      fill(code_bits, code.symbols[k], entry, entries);
      entry += entries;
    }
  return entry;
}

}  // namespace

bool SymbolTable::build(const HuffmanCode& code, CodeOf what) {
  code_ = code;
  what_ = what;
  std::uint32_t next = 0;
  int k = 0;
  for (int bits = 1; bits <= 16; ++bits) {
    const std::size_t n = std::size_t(bits);
    first_symbol_[n] = k - int(next);
    next += code.lengths[n];
    k += code.lengths[n];
    if (next >= 1u << bits || k > 256) return false; // The code of ones alone must stay free (T.81 C.2).
    limit_[n] = next << (16 - bits);
    next <<= 1;
  }
  if (!std::all_of(code.symbols.begin(), code.symbols.begin() + k, [what](unsigned value) { return is_baseline(value, what); })) return false;
  std::uint32_t* const rest = for_each_code(code, kBits, entries, [what](int code_bits, unsigned value, std::uint32_t* entry, int count) {
    std::fill_n(entry, count, entry_of(unsigned(code_bits), value, what));
  });
  std::fill(rest, std::end(entries), 0u);
  return true;
}

std::uint32_t SymbolTable::find(std::uint32_t next) const {
  for (unsigned bits = kBits + 1; bits <= 16; ++bits)
    if (next < limit_[bits]) return entry_of(bits, code_.symbols[std::size_t(int(next >> (16 - bits)) + first_symbol_[bits])], what_);
  return 0;
}

bool AcTableBuilder::build(const HuffmanCode& code, AcTables& out) {
  if (!out.symbol.build(code, CodeOf::ac)) return false;
  build_skip(code, out);
  build_second(code);
  build_pair(code, out);
  return true;
}

// What follows a symbol within a window of r bits is the table of the bits that are left, whatever the magnitude was. So the part of a
// table that a symbol begins is a smaller table, repeated, plus a constant: additions in a row instead of a walk for each window.
void AcTableBuilder::build_skip(const HuffmanCode& code, AcTables& out) {
  constexpr int kBits = AcTables::kSkipBits;
  skip_[1] = 0;
  for (int r = 1; r <= kBits; ++r) {
    std::uint16_t* const table = r == kBits ? out.skip : skip_ + (1 << r);
    std::uint16_t* const rest = for_each_code(code, r, table, [&](int code_bits, unsigned value, std::uint16_t* entry, int entries) {
      const Symbol s = ac_symbol(value);
      const unsigned advance = s.end ? kEndOfBlock : s.run + 1;
      const auto alone = std::uint16_t((unsigned(code_bits) + s.size) | advance << 8);
      const int left = r - code_bits - int(s.size);
      if (!s.chainable || left <= 0) {
        std::fill_n(entry, entries, alone);
        return;
      }
      const std::uint16_t* const smaller = skip_ + (1 << left);
      for (int i = 0; i < entries; i += 1 << left)
        for (int j = 0; j < 1 << left; ++j) entry[i + j] = std::uint16_t(smaller[j] + alone);
    });
    std::fill(rest, table + (1 << r), std::uint16_t{0});
  }
  std::replace(std::begin(out.skip), std::end(out.skip), std::uint16_t{0}, std::uint16_t(AcTables::kOneSymbol << 8));
}

constexpr std::uint64_t kNoSecond = std::uint64_t{AcTables::kNowhere} << 16;

// Symbols that may come second: they must lie in the window with their magnitude.
void AcTableBuilder::build_second(const HuffmanCode& code) {
  second_[1] = kNoSecond;
  for (int r = 1; r < AcTables::kPairBits; ++r) {
    std::uint64_t* const table = second_ + (1 << r);
    std::uint64_t* const rest = for_each_code(code, r, table, [&](int code_bits, unsigned value, std::uint64_t* entry, int entries) {
      const Symbol s = ac_symbol(value);
      const std::uint64_t bits = unsigned(code_bits) + s.size;
      const int left = r - int(bits);
      if (s.end || left < 0) {
        std::fill_n(entry, entries, s.end ? bits | kNoSecond | std::uint64_t{kEndOfBlock} << 56 : kNoSecond);
        return;
      }
      for (unsigned magnitude = 0; magnitude < 1u << s.size; ++magnitude) {
        const std::uint64_t level = std::uint16_t(extend(magnitude, s.size));
        std::fill_n(entry + (magnitude << left), 1 << left, bits | std::uint64_t{s.run} << 16 | level << 40 | std::uint64_t{s.run + 1} << 56);
      }
    });
    std::fill(rest, table + (1 << r), kNoSecond);
  }
}

void AcTableBuilder::build_pair(const HuffmanCode& code, AcTables& out) {
  constexpr int kBits = AcTables::kPairBits;
  std::uint64_t* const rest = for_each_code(code, kBits, out.pair, [&](int code_bits, unsigned value, std::uint64_t* entry, int entries) {
    const Symbol s = ac_symbol(value);
    const std::uint64_t bits = unsigned(code_bits) + s.size;
    const std::uint64_t place = s.end ? AcTables::kNowhere : s.run, advance = s.end ? kEndOfBlock : s.run + 1;
    const std::uint64_t first = bits | place << 8 | (64 - bits) << 24 | std::uint64_t{s.size} << 32 | advance << 56;
    const int left = kBits - int(bits);
    if (!s.chainable || left <= 0) {
      std::fill_n(entry, entries, first + kNoSecond);
      return;
    }
    const std::uint64_t constant = first + (advance << 16); // The second lies behind the first.
    const std::uint64_t* const smaller = second_ + (1 << left);
    for (int i = 0; i < entries; i += 1 << left)
      for (int j = 0; j < 1 << left; ++j) entry[i + j] = smaller[j] + constant;
  });
  std::fill(rest, std::end(out.pair), std::uint64_t{AcTables::kOneSymbol} << 56 | std::uint64_t{AcTables::kNowhere} << 8 | kNoSecond);
}

}  // namespace millrace::jpeg
