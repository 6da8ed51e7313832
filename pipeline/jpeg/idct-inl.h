// Inverse DCT, bit for bit libjpeg-turbo's accurate integer one (ISLOW), two blocks at a time.
//
// ISLOW is the graph of Loeffler, Ligtenberg and Moschytz (1989) with 13-bit constants. Before its roundings every value of the graph
// is an exact integer, so any other way to the same sums gives the same bits; here that way is pmaddwd on interleaved pairs
// of inputs. Two things are kept from libjpeg-turbo's vector code, because the values of a damaged file reach them: sums of two
// inputs wrap in 16 bits, and intermediate values saturate there. One is not: where a column has nothing but its first value, that
// code shifts it in 16 bits, which for more than 8191 is another result; such blocks are reported, and the picture is left to it.
//
// Each 128-bit half of a vector holds one block. 24 % of a photograph's blocks have at most 10 coefficients: they lie in the first 4
// rows and columns, which saves a third of the work (1.5 % of a decode); so does a block that is its DC alone.
#if defined(MILLRACE_JPEG_IDCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MILLRACE_JPEG_IDCT_INL_H_
#undef MILLRACE_JPEG_IDCT_INL_H_
#else
#define MILLRACE_JPEG_IDCT_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::jpeg {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX2

constexpr int kConstantBits = 13, kPassBits = 2; // Of the constants, and kept beyond the point between the passes.

// The graph's constants times 2^13. Their names are the values (FIX_1_175875602 of the literature), cut after three digits.
constexpr int kFix0_298 = 2446, kFix0_390 = 3196, kFix0_541 = 4433, kFix0_765 = 6270, kFix0_899 = 7373, kFix1_175 = 9633, kFix1_501 = 12299,
              kFix1_847 = 15137, kFix1_961 = 16069, kFix2_053 = 16819, kFix2_562 = 20995, kFix3_072 = 25172;

/// For pmaddwd: a times the first of a pair and b times the second.
HWY_INLINE __m256i factors(int a, int b) { return _mm256_set1_epi32(int(std::uint32_t(std::uint16_t(a)) | std::uint32_t(std::uint16_t(b)) << 16)); }

enum class Half { low, high };

/// Pairs of 16-bit values of `a` and `b`, of the columns 0-3 or 4-7 of each block.
template <Half kHalf>
HWY_INLINE __m256i pairs(__m256i a, __m256i b) {
  return kHalf == Half::high ? _mm256_unpackhi_epi16(a, b) : _mm256_unpacklo_epi16(a, b);
}

/// `a` times 2^13 with the rounding of the descale that follows.
template <Half kHalf, int kShift>
HWY_INLINE __m256i even_input(__m256i a) {
  const __m256i widened = _mm256_srai_epi32(pairs<kHalf>(_mm256_setzero_si256(), a), 16 - kConstantBits);
  return _mm256_add_epi32(widened, _mm256_set1_epi32(1 << (kShift - 1)));
}

struct Parts {
  __m256i even[4], odd[4];
};

/// Both parts of the graph for 8 inputs.
template <Half kHalf, int kShift>
HWY_INLINE Parts parts_of_8(const __m256i* in) {
  const __m256i z = pairs<kHalf>(_mm256_add_epi16(in[3], in[7]), _mm256_add_epi16(in[1], in[5]));
  const __m256i z3 = _mm256_madd_epi16(z, factors(kFix1_175 - kFix1_961, kFix1_175));
  const __m256i z4 = _mm256_madd_epi16(z, factors(kFix1_175, kFix1_175 - kFix0_390));
  const __m256i in17 = pairs<kHalf>(in[1], in[7]), in35 = pairs<kHalf>(in[3], in[5]), in26 = pairs<kHalf>(in[2], in[6]);
  const __m256i t2 = _mm256_madd_epi16(in26, factors(kFix0_541, kFix0_541 - kFix1_847));
  const __m256i t3 = _mm256_madd_epi16(in26, factors(kFix0_541 + kFix0_765, kFix0_541));
  const __m256i sum = even_input<kHalf, kShift>(_mm256_add_epi16(in[0], in[4])), difference = even_input<kHalf, kShift>(_mm256_sub_epi16(in[0], in[4]));
  Parts p;
  p.even[0] = _mm256_add_epi32(sum, t3);
  p.even[1] = _mm256_add_epi32(difference, t2);
  p.even[2] = _mm256_sub_epi32(difference, t2);
  p.even[3] = _mm256_sub_epi32(sum, t3);
  p.odd[0] = _mm256_add_epi32(_mm256_madd_epi16(in17, factors(kFix1_501 - kFix0_899, -kFix0_899)), z4);
  p.odd[1] = _mm256_add_epi32(_mm256_madd_epi16(in35, factors(kFix3_072 - kFix2_562, -kFix2_562)), z3);
  p.odd[2] = _mm256_add_epi32(_mm256_madd_epi16(in35, factors(-kFix2_562, kFix2_053 - kFix2_562)), z4);
  p.odd[3] = _mm256_add_epi32(_mm256_madd_epi16(in17, factors(-kFix0_899, kFix0_298 - kFix0_899)), z3);
  return p;
}

/// The same where inputs 4-7 are zero.
template <Half kHalf, int kShift>
HWY_INLINE Parts parts_of_4(const __m256i* in) {
  const __m256i in13 = pairs<kHalf>(in[1], in[3]), in2 = pairs<kHalf>(in[2], _mm256_setzero_si256());
  const __m256i t2 = _mm256_madd_epi16(in2, factors(kFix0_541, 0)), t3 = _mm256_madd_epi16(in2, factors(kFix0_541 + kFix0_765, 0));
  const __m256i sum = even_input<kHalf, kShift>(in[0]);
  Parts p;
  p.even[0] = _mm256_add_epi32(sum, t3);
  p.even[1] = _mm256_add_epi32(sum, t2);
  p.even[2] = _mm256_sub_epi32(sum, t2);
  p.even[3] = _mm256_sub_epi32(sum, t3);
  p.odd[0] = _mm256_madd_epi16(in13, factors(kFix1_501 - kFix0_899 + kFix1_175 - kFix0_390, kFix1_175));
  p.odd[1] = _mm256_madd_epi16(in13, factors(kFix1_175, kFix3_072 - kFix2_562 + kFix1_175 - kFix1_961));
  p.odd[2] = _mm256_madd_epi16(in13, factors(kFix1_175 - kFix0_390, kFix1_175 - kFix2_562));
  p.odd[3] = _mm256_madd_epi16(in13, factors(kFix1_175 - kFix0_899, kFix1_175 - kFix1_961));
  return p;
}

/// One dimension of 4 columns of each block: `in` are vectors of one row each, of which the first kInputs are not zero.
template <int kInputs, Half kHalf, int kShift>
HWY_INLINE void pass(const __m256i* in, __m256i* out) {
  Parts p;
  if constexpr (kInputs == 8)
    p = parts_of_8<kHalf, kShift>(in);
  else
    p = parts_of_4<kHalf, kShift>(in);
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_srai_epi32(_mm256_add_epi32(p.even[i], p.odd[i]), kShift);
    out[7 - i] = _mm256_srai_epi32(_mm256_sub_epi32(p.even[i], p.odd[i]), kShift);
  }
}

/// 8 x 8 of 16 bits in each half.
HWY_INLINE void transpose(const __m256i* in, __m256i* out) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm256_unpacklo_epi16(in[2 * i], in[2 * i + 1]);
    a[i + 4] = _mm256_unpackhi_epi16(in[2 * i], in[2 * i + 1]);
  }
  for (int i = 0; i < 8; i += 2) { // Rows 0-3 and 4-7, of columns 0-3 and 4-7.
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      out[i + 2 * j] = _mm256_unpacklo_epi64(b[i + j], b[i + 2 + j]);
      out[i + 2 * j + 1] = _mm256_unpackhi_epi64(b[i + j], b[i + 2 + j]);
    }
}

/// The first 4 columns of 8 rows, to 4 rows of 8; `in` holds a row's 4 values twice.
HWY_INLINE void transpose_4(const __m256i* in, __m256i* out) {
  __m256i a[4], b[4];
  for (int i = 0; i < 4; ++i) a[i] = _mm256_unpacklo_epi16(in[2 * i], in[2 * i + 1]);
  for (int i = 0; i < 4; i += 2) {
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int j = 0; j < 2; ++j) {
    out[2 * j] = _mm256_unpacklo_epi64(b[j], b[2 + j]);
    out[2 * j + 1] = _mm256_unpackhi_epi64(b[j], b[2 + j]);
  }
}

/// Columns of 8 samples around 0 to rows of 16 bytes.
HWY_INLINE void store_columns(const __m256i* column, std::uint8_t* to, std::ptrdiff_t stride) {
  __m256i a[4], b[4], c[4], d[4];
  for (int i = 0; i < 4; ++i) a[i] = _mm256_packs_epi16(column[i], column[i + 4]);
  for (int i = 0; i < 4; i += 2) { // Columns 0, 1 and 2, 3, each beside those 4 further.
    b[i] = _mm256_unpacklo_epi8(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi8(a[i], a[i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    c[2 * i] = _mm256_unpacklo_epi16(b[i], b[i + 2]);
    c[2 * i + 1] = _mm256_unpackhi_epi16(b[i], b[i + 2]);
  }
  for (int i = 0; i < 2; ++i) { // Rows 0-3 and 4-7, of columns 0-3 and 4-7.
    d[2 * i] = _mm256_unpacklo_epi32(c[i], c[i + 2]);
    d[2 * i + 1] = _mm256_unpackhi_epi32(c[i], c[i + 2]);
  }
  for (int i = 0; i < 4; ++i) { // Two rows of each block; the blocks beside each other.
    constexpr int kRowsTogether = 0xD8;
    const __m256i rows = _mm256_xor_si256(_mm256_permute4x64_epi64(d[i], kRowsTogether), _mm256_set1_epi8(-128));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i * stride), _mm256_castsi256_si128(rows));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (2 * i + 1) * stride), _mm256_extracti128_si256(rows, 1));
  }
}

HWY_INLINE unsigned beyond_8191(__m256i values) {
  const __m256i limit = _mm256_set1_epi16(8191);
  const __m256i wild = _mm256_or_si256(_mm256_cmpgt_epi16(values, limit), _mm256_cmpgt_epi16(_mm256_sub_epi16(_mm256_setzero_si256(), limit), values));
  return unsigned(_mm256_movemask_epi8(wild));
}

/// Two blocks, of which nothing lies beyond the first kSize rows and columns.
template <int kSize>
HWY_INLINE unsigned inverse_dct_2(const std::int16_t* coefficients, const std::int16_t* quantiser, std::uint8_t* to, std::ptrdiff_t stride) {
  constexpr int kShift1 = kConstantBits - kPassBits, kShift2 = kConstantBits + kPassBits + 3;
  __m256i row[8], low[8], high[8], column[8];
  for (int i = 0; i < kSize; ++i) {
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(coefficients + 8 * i))),
                                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(coefficients + 64 + 8 * i)), 1);
    row[i] = _mm256_mullo_epi16(both, _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(quantiser + 8 * i))));
  }
  const unsigned wild = beyond_8191(row[0]);
  pass<kSize, Half::low, kShift1>(row, low);
  if constexpr (kSize == 8) {
    pass<kSize, Half::high, kShift1>(row, high);
    for (int i = 0; i < 8; ++i) row[i] = _mm256_packs_epi32(low[i], high[i]);
    transpose(row, column);
  } else {
    for (int i = 0; i < 8; ++i) row[i] = _mm256_packs_epi32(low[i], low[i]);
    transpose_4(row, column);
  }
  pass<kSize, Half::low, kShift2>(column, low);
  pass<kSize, Half::high, kShift2>(column, high);
  for (int i = 0; i < 8; ++i) column[i] = _mm256_packs_epi32(low[i], high[i]);
  store_columns(column, to, stride);
  return wild;
}

/// The sample of a block that is its DC alone, 8 times.
HWY_INLINE std::uint64_t flat_row(int dc, int quantiser, unsigned& wild) {
  const int value = std::int16_t(dc * quantiser);
  wild |= unsigned(value > 8191) | unsigned(value < -8191);
  int sample = ((value << kPassBits) + 16) >> 5;
  sample = sample < -128 ? -128 : sample > 127 ? 127 : sample;
  return std::uint64_t(sample + 128) * 0x0101010101010101u;
}

HWY_INLINE unsigned flat_2(const std::int16_t* coefficients, int quantiser, std::uint8_t* to, std::ptrdiff_t stride) {
  unsigned wild = 0;
  const std::uint64_t left = flat_row(coefficients[0], quantiser, wild), right = flat_row(coefficients[64], quantiser, wild);
  for (int y = 0; y < 8; ++y)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + y * stride), _mm_set_epi64x(std::int64_t(right), std::int64_t(left)));
  return wild;
}

unsigned inverse_dct(const std::int16_t* coefficients, const std::uint8_t* extents, int blocks, const std::int16_t* quantiser, std::uint8_t* to,
                     std::ptrdiff_t stride) {
  constexpr unsigned kOnlyDc = 1, kFirst4x4 = 10; // The first 10 in zigzag order lie in the first 4 rows and columns.
  unsigned wild = 0;
  for (int i = 0; i < blocks; i += 2, coefficients += 128, to += 16) {
    const unsigned extent = extents[i] > extents[i + 1] ? extents[i] : extents[i + 1];
    if (extent <= kOnlyDc)
      wild |= flat_2(coefficients, quantiser[0], to, stride);
    else if (extent <= kFirst4x4)
      wild |= inverse_dct_2<4>(coefficients, quantiser, to, stride);
    else
      wild |= inverse_dct_2<8>(coefficients, quantiser, to, stride);
  }
  return wild;
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::jpeg
HWY_AFTER_NAMESPACE();
#endif
