// Huffman decoding of baseline blocks: 57 ns a block of 104 bits, 42 where its coefficients are not wanted (libjpeg-turbo: 127; Zen 4).
//
// What a block costs is a chain: shift the window by a symbol's length, look the next one up, shift again. Everything else must stay
// out of it, and it does if three things are kept:
//  - A look-up comes before the refill, so that loading bytes hides behind loading the entry. Refilling is one unaligned load without a
//    branch (the scan holds no stuffing any more); 56 bits serve two look-ups.
//  - The next look-up comes before this one's coefficients are stored: a load behind stores whose addresses are not known yet waits for
//    them (58.7 ns against 78). So this file is compiled without -fschedule-insns2, which would undo the order.
//  - Values come out of the bits by arithmetic: a branch for long magnitudes, or gcc's own idea of a ?:, is mispredicted 0.9 times a block.
//
// Safe on any bytes: a window of n bits indexes a table of 2^n entries; every look-up moves at least one coefficient ahead, so a block
// ends after 63; coefficients go to places (Places) that lie in the block or just behind it; and the reading position is
// checked once a block, with more bytes behind the limit than a block can take.
#if defined(MILLRACE_JPEG_ENTROPY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MILLRACE_JPEG_ENTROPY_INL_H_
#undef MILLRACE_JPEG_ENTROPY_INL_H_
#else
#define MILLRACE_JPEG_ENTROPY_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include "pipeline/jpeg/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace millrace::jpeg {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX2

Copied unstuff(const std::uint8_t* from, const std::uint8_t* end, std::uint8_t* to) {
  constexpr std::uint8_t kMarker = 0xFF, kStuffing = 0x00;
  while (end - from > 32) { // One more than a vector, for what follows its last byte.
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
    const auto markers = unsigned(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(std::int8_t(kMarker)))));
    const int kept = markers == 0 ? 32 : __builtin_ctz(markers);
    from += kept;
    to += kept;
    if (markers == 0) continue;
    if (from[1] != kStuffing) return {from, to};
    from += 2;
    ++to; // The FF is there already.
  }
  for (; from != end; ++from) {
    *to++ = *from;
    if (*from != kMarker) continue;
    if (end - from < 2 || from[1] != kStuffing) return {from, to - 1};
    ++from;
  }
  return {from, to};
}

HWY_INLINE std::uint64_t window(const BitReader& in, int bits) { return in.bits >> (64 - bits); }

/// To 56-63 bits.
HWY_INLINE void refill(BitReader& in) {
  std::uint64_t bytes;
  std::memcpy(&bytes, in.next, sizeof bytes);
  const std::uint64_t count = in.count & 63;
  in.bits |= __builtin_bswap64(bytes) >> count;
  in.next += (63 - count) >> 3;
  in.count = count | 56;
}

/// Takes as many bits away as the low byte of an entry says.
HWY_INLINE void drop(BitReader& in, std::uint64_t entry) {
  in.bits <<= entry & 63;
  in.count -= entry;
}

HWY_INLINE void seek(BitReader& in, const std::uint8_t* bytes, std::uint64_t bit) {
  in = {0, 0, bytes + bit / 8};
  refill(in);
  drop(in, bit % 8);
}

template <int kBits>
HWY_INLINE std::uint64_t rotate_right(std::uint64_t value) {
  return value >> kBits | value << (64 - kBits);
}

// ---- symbols one at a time ----

/// The value of a SymbolTable's entry; 0 where there are no magnitude bits.
HWY_INLINE int value_of(std::uint64_t bits, std::uint32_t entry) {
  const std::uint64_t magnitude = bits << (entry >> 8 & 63);
  const unsigned size = entry >> 16 & 15;
  const int negative = int(~(std::int64_t(magnitude) >> 63));
  return int((magnitude >> 1) >> (63 - size)) - (((1 << size) - 1) & negative);
}

/// Needs 26 bits. Where there is no such code, `error` is set and the block ends.
HWY_INLINE std::uint32_t look_up(const BitReader& in, const SymbolTable& table, unsigned& error) {
  std::uint32_t entry = table.entries[window(in, SymbolTable::kBits)];
  if (HWY_UNLIKELY(entry == 0)) {
    entry = table.find(std::uint32_t(in.bits >> 48));
    error |= entry == 0;
    if (entry == 0) entry = 1 | (kEndOfBlock - 1) << 24;
  }
  return entry;
}

/// Needs 10 bits, leaves at least 29.
HWY_INLINE std::uint32_t dc_difference(BitReader& in, const SymbolTable& table, unsigned& error) {
  std::uint32_t entry = table.entries[window(in, SymbolTable::kBits)];
  refill(in);
  if (HWY_UNLIKELY(entry == 0)) entry = look_up(in, table, error);
  const int value = value_of(in.bits, entry);
  drop(in, entry & 63);
  return std::uint32_t(value);
}

/// How a block may end: full, or by an end of block that stands within it.
HWY_INLINE bool ends_block(unsigned k) { return k == 64 || k - kEndOfBlock < 64; }

// ---- two coefficients a look-up ----

/// What decoding keeps in registers: an entry is looked up, and `next` tells where it leads.
struct Pairs {
  BitReader in;
  const std::uint64_t* table;
  std::int16_t* block;
  unsigned k, next;
  std::uint64_t entry;
};

HWY_INLINE void put_pair(std::int16_t* block, unsigned k, std::uint64_t bits, std::uint64_t entry) {
  const std::uint64_t magnitude = __bextr_u64(bits, rotate_right<24>(entry));
  const auto ones = std::uint32_t(_bzhi_u64(~std::uint64_t{0}, std::uint32_t(rotate_right<32>(entry))));
  const std::uint32_t negative = std::uint32_t(std::int32_t(std::uint32_t(2 * magnitude) - ones - 1) >> 31);
  const std::uint8_t* const places = kPlaces.of + k;
  block[places[std::uint8_t(entry >> 8)]] = std::int16_t(std::uint32_t(magnitude) - (ones & negative));
  block[places[std::uint8_t(rotate_right<16>(entry))]] = std::int16_t(rotate_right<40>(entry));
}

/// False where the block ends or the entry cannot be used; it is then still to be put.
template <bool kRefill>
HWY_INLINE bool step(Pairs& p) {
  p.next = p.k + unsigned(p.entry >> 56);
  if (kRefill) refill(p.in);
  if (p.next >= 64) return false;
  const std::uint64_t bits = p.in.bits;
  drop(p.in, p.entry);
  const std::uint64_t following = p.table[window(p.in, AcTables::kPairBits)];
  put_pair(p.block, p.k, bits, p.entry);
  p.k = p.next;
  p.entry = following;
  return true;
}

/// Needs 29 bits, leaves at least 16. Returns where the block ended: 64, or kEndOfBlock and the place of its end.
HWY_INLINE unsigned decode_ac(BitReader& in, const AcTables& tables, std::int16_t* block, unsigned& error) {
  Pairs p{in, tables.pair, block, 1, 0, tables.pair[window(in, AcTables::kPairBits)]};
  for (;;) {
    while (step<true>(p) && step<false>(p)) { // At most 2 x 20 of 56 bits.
    }
    if (HWY_LIKELY(ends_block(p.next))) {
      const std::uint64_t bits = p.in.bits;
      drop(p.in, p.entry);
      put_pair(block, p.k, bits, p.entry);
      p.in.count &= 63;
      in = p.in;
      return p.next;
    }
    // The second symbol is the next block's, or the code is longer than the window.
    p.in.count &= 63;
    refill(p.in);
    const std::uint32_t entry = look_up(p.in, tables.symbol, error);
    p.k += entry >> 24;
    block[kPlaces.of[p.k]] = std::int16_t(value_of(p.in.bits, entry));
    ++p.k;
    drop(p.in, entry & 63);
    refill(p.in);
    if (p.k >= 64) {
      in = p.in;
      return p.k;
    }
    p.entry = p.table[window(p.in, AcTables::kPairBits)];
  }
}

// ---- any number of symbols a look-up ----

struct Skip {
  BitReader in;
  const std::uint16_t* table;
  unsigned k, next;
  std::uint32_t entry;
};

template <bool kRefill>
HWY_INLINE bool step(Skip& s) {
  s.next = s.k + (s.entry >> 8);
  if (kRefill) refill(s.in);
  if (s.next >= 64) return false;
  drop(s.in, s.entry & 63);
  s.entry = s.table[window(s.in, AcTables::kSkipBits)];
  s.k = s.next;
  return true;
}

/// As decode_ac, without coefficients.
HWY_INLINE unsigned skip_ac(BitReader& in, const AcTables& tables, unsigned& error) {
  Skip s{in, tables.skip, 1, 0, tables.skip[window(in, AcTables::kSkipBits)]};
  for (;;) {
    while (step<true>(s) && step<false>(s)) { // At most 2 x 21 of 56 bits.
    }
    // Without an end a window passes over up to 96 coefficients: beyond the block that looks like an end's place.
    if (HWY_LIKELY(s.next == 64 || (s.entry >> 8 >= kEndOfBlock && ends_block(s.next)))) {
      drop(s.in, s.entry & 63);
      in = s.in;
      return s.next;
    }
    refill(s.in);
    const std::uint32_t entry = look_up(s.in, tables.symbol, error);
    s.k += (entry >> 24) + 1;
    drop(s.in, entry & 63);
    refill(s.in);
    if (s.k >= 64) {
      in = s.in;
      return s.k;
    }
    s.entry = s.table[window(s.in, AcTables::kSkipBits)];
  }
}

// ---- MCUs ----

bool skip_mcus(ScanReader& reader, int mcus) {
  BitReader in = reader.in;
  unsigned error = 0;
  for (int m = 0; m < mcus; ++m)
    for (int i = 0; i < reader.blocks; ++i) {
      const McuBlock& b = reader.block[i];
      reader.prediction[b.component] += dc_difference(in, *b.dc, error);
      error |= !ends_block(skip_ac(in, *b.ac, error));
      if (HWY_UNLIKELY(in.next > reader.limit)) return false;
    }
  reader.in = in;
  return error == 0;
}

bool decode_mcus(ScanReader& reader, int first, int mcus) {
  BitReader in = reader.in;
  unsigned error = 0;
  for (int m = first; m < first + mcus; ++m)
    for (int i = 0; i < reader.blocks; ++i) {
      const McuBlock& b = reader.block[i];
      const std::ptrdiff_t at = std::ptrdiff_t{m} * b.stride_blocks;
      std::int16_t* const block = b.coefficients + 64 * at;
      const std::uint32_t dc = reader.prediction[b.component] += dc_difference(in, *b.dc, error);
      const unsigned end = decode_ac(in, *b.ac, block, error);
      block[0] = std::int16_t(dc);
      error |= !ends_block(end);
      b.extent[at] = std::uint8_t(end == 64 ? 64 : end & 63);
      if (HWY_UNLIKELY(in.next > reader.limit)) return false;
    }
  reader.in = in;
  return error == 0;
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::jpeg
HWY_AFTER_NAMESPACE();
#endif
