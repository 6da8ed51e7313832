#include <cstring>

#include "augment/point.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/point_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX3_DL

// 256 entries in four registers: two shuffles of 128 entries, chosen by the index's top bit.
struct Lookup {
  __m512i part[4];
  HWY_INLINE explicit Lookup(const Table& table) {
    for (std::size_t k = 0; k < 4; ++k) part[k] = _mm512_loadu_si512(table.data() + 64 * k);
  }
  HWY_INLINE __m512i operator()(__m512i v) const {
    return _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(part[0], v, part[1]), _mm512_movepi8_mask(v),
                                _mm512_permutex2var_epi8(part[2], v, part[3]));
  }
};

void TableRow(const std::uint8_t* in, std::size_t count, const Table& table, std::uint8_t* out) {
  const Lookup lookup(table);
  for (std::size_t i = 0; i < count; i += 64) {
    const __mmask64 valid = count - i >= 64 ? ~0ull : (1ull << (count - i)) - 1;
    _mm512_mask_storeu_epi8(out + i, valid, lookup(_mm512_maskz_loadu_epi8(valid, in + i)));
  }
}

// Every third byte belongs to one table; the pattern moves on by 64 mod 3 = 1 a register.
void TablesRow(const std::uint8_t* in, std::size_t count, const Tables& tables, std::uint8_t* out) {
  const Lookup lookups[3] = {Lookup(tables[0]), Lookup(tables[1]), Lookup(tables[2])};
  constexpr unsigned long long kThird[3] = {0x9249249249249249ull, 0x2492492492492492ull, 0x4924924924924924ull};
  std::size_t phase = 0;
  for (std::size_t i = 0; i < count; i += 64, phase = (phase + 1) % 3) {
    const __mmask64 valid = count - i >= 64 ? ~0ull : (1ull << (count - i)) - 1;
    const __m512i v = _mm512_maskz_loadu_epi8(valid, in + i);
    __m512i result = lookups[0](v);
    result = _mm512_mask_mov_epi8(result, kThird[(4 - phase) % 3], lookups[1](v));
    result = _mm512_mask_mov_epi8(result, kThird[(5 - phase) % 3], lookups[2](v));
    _mm512_mask_storeu_epi8(out + i, valid, result);
  }
}

#else

void TableRow(const std::uint8_t* in, std::size_t count, const Table& table, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = table[in[i]];
}
void TablesRow(const std::uint8_t* in, std::size_t count, const Tables& tables, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; i += 3)
    for (std::size_t c = 0; c < 3; ++c) out[i + c] = tables[c][in[i + c]];
}

#endif

void ApplyTables(ImageView in, const Tables& tables, MutableImageView out) {
  const bool alike = in.channels == 1 || (tables[0] == tables[1] && tables[0] == tables[2]);
  const int row_bytes = in.width * in.channels;
  const bool whole = in.stride_bytes == row_bytes && out.stride_bytes == row_bytes;
  const int rows = whole ? 1 : in.height;
  const std::size_t count = static_cast<std::size_t>(row_bytes) * static_cast<std::size_t>(whole ? in.height : 1);
  for (int y = 0; y < rows; ++y)
    alike ? TableRow(in.row(y), count, tables[0], out.row(y)) : TablesRow(in.row(y), count, tables, out.row(y));
}

// Four counters a channel in turn: a run of equal values would otherwise wait for its own store.
void CountValues(ImageView in, Histograms& counts) {
  const auto channels = static_cast<std::size_t>(in.channels);
  std::uint32_t parts[4][3][256];
  for (auto& part : parts) std::memset(part, 0, channels * sizeof part[0]);
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* row = in.row(y);
    if (channels == 1) {
      for (int x = 0; x < in.width; ++x) ++parts[x & 3][0][row[x]];
    } else {
      for (int x = 0; x < in.width; ++x)
        for (int c = 0; c < 3; ++c) ++parts[x & 3][c][row[3 * x + c]];
    }
  }
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t v = 0; v < 256; ++v) counts[c][v] = parts[0][c][v] + parts[1][c][v] + parts[2][c][v] + parts[3][c][v];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(ApplyTables);
HWY_EXPORT(CountValues);

void apply_tables(ImageView in, const Tables& tables, MutableImageView out) { HWY_DYNAMIC_DISPATCH(ApplyTables)(in, tables, out); }
void histograms(ImageView in, Histograms& counts) { HWY_DYNAMIC_DISPATCH(CountValues)(in, counts); }
}  // namespace millrace::augment
#endif
