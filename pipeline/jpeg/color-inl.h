// Rows of samples to rows of RGB: fancy upsampling and YCbCr conversion in one pass, bit for bit libjpeg-turbo's.
//
// Fancy upsampling gives a pixel three quarters of the chroma sample it lies in and a quarter of its neighbour, horizontally and (4:2:0)
// vertically; roundings go up and down in turns, so that no column's bias remains. A picture's edges repeat. For 4:2:0 the
// vertical sums come first (`blend`) and stay 16 bits wide until both divisions are made at once.
//
// The conversion has 16-bit constants (ITU-R BT.601); its products are rearranged so that they fit pmulhw and pmaddwd.
#if defined(MILLRACE_JPEG_COLOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MILLRACE_JPEG_COLOR_INL_H_
#undef MILLRACE_JPEG_COLOR_INL_H_
#else
#define MILLRACE_JPEG_COLOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

#include "pipeline/jpeg/idct-inl.h"  // factors

HWY_BEFORE_NAMESPACE();
namespace millrace::jpeg {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX2

constexpr int kPixelsAtOnce = 32;

HWY_INLINE __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

/// 16 values of 16 bits each.
struct Colors {
  __m256i r, g, b;
};

/// x * factor / 2^17, rounded; x is twice a value, so that nothing is lost to pmulhw.
HWY_INLINE __m256i scaled(__m256i x, int factor) {
  return _mm256_srai_epi16(_mm256_add_epi16(_mm256_mulhi_epi16(x, _mm256_set1_epi16(short(factor))), _mm256_set1_epi16(1)), 1);
}

/// R = Y + 1.402 Cr', G = Y - 0.34414 Cb' - 0.71414 Cr', B = Y + 1.772 Cb' with Cb' = Cb - 128, Cr' = Cr - 128.
HWY_INLINE Colors to_rgb(__m256i y, __m256i cb, __m256i cr) {
  constexpr int kOne = 65536, k0_402 = 26345, k0_228 = 14942, k0_344 = 22554, k0_714 = 46802;
  cb = _mm256_sub_epi16(cb, _mm256_set1_epi16(128));
  cr = _mm256_sub_epi16(cr, _mm256_set1_epi16(128));
  const __m256i twice_cb = _mm256_add_epi16(cb, cb), twice_cr = _mm256_add_epi16(cr, cr);
  Colors out;
  out.r = _mm256_add_epi16(_mm256_add_epi16(y, cr), scaled(twice_cr, k0_402));
  out.b = _mm256_add_epi16(_mm256_add_epi16(y, twice_cb), scaled(twice_cb, -k0_228));
  // -0.71414 = 0.28586 - 1, because factors of pmaddwd have 16 bits.
  const __m256i green = factors(-k0_344, kOne - k0_714), half = _mm256_set1_epi32(kOne / 2);
  const __m256i low = _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), green), half), 16);
  const __m256i high = _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), green), half), 16);
  out.g = _mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high));
  return out;
}

/// For pshufb: which of 16 pixels each byte of the parts of 48 bytes of RGB comes from; -1 where it is another channel's.
struct Interleave {
  alignas(16) std::int8_t pixel[3][3][16]; // Part, channel.
  constexpr Interleave() : pixel() {
    for (int part = 0; part < 3; ++part)
      for (int channel = 0; channel < 3; ++channel)
        for (int i = 0; i < 16; ++i) {
          const int at = 16 * part + i;
          pixel[part][channel][i] = std::int8_t(at % 3 == channel ? at / 3 : -1);
        }
  }
};
constexpr Interleave kInterleave{};

HWY_INLINE __m256i spread(__m256i channel, int part, int which) {
  const __m128i pixel = _mm_load_si128(reinterpret_cast<const __m128i*>(kInterleave.pixel[part][which]));
  return _mm256_shuffle_epi8(channel, _mm256_broadcastsi128_si256(pixel));
}

/// 32 pixels to 96 bytes.
HWY_INLINE void store_rgb(std::uint8_t* rgb, __m256i r, __m256i g, __m256i b) {
  for (int part = 0; part < 3; ++part) {
    const __m256i mixed = _mm256_or_si256(_mm256_or_si256(spread(r, part, 0), spread(g, part, 1)), spread(b, part, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb + 16 * part), _mm256_castsi256_si128(mixed));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb + 48 + 16 * part), _mm256_extracti128_si256(mixed, 1));
  }
}

/// 32 pixels of bytes and chroma of 16 bits, low and high halves as unpacking leaves them.
struct Chroma {
  __m256i low, high;
};
HWY_INLINE void convert(const std::uint8_t* y, Chroma cb, Chroma cr, std::uint8_t* rgb) {
  const __m256i luma = load(y), zero = _mm256_setzero_si256();
  const Colors low = to_rgb(_mm256_unpacklo_epi8(luma, zero), cb.low, cr.low), high = to_rgb(_mm256_unpackhi_epi8(luma, zero), cb.high, cr.high);
  store_rgb(rgb, _mm256_packus_epi16(low.r, high.r), _mm256_packus_epi16(low.g, high.g), _mm256_packus_epi16(low.b, high.b));
}

void grey_row(const std::uint8_t* y, std::uint8_t* rgb, int pixels) {
  for (int i = 0; i < pixels; i += kPixelsAtOnce) {
    const __m256i luma = load(y + i);
    store_rgb(rgb + 3 * i, luma, luma, luma);
  }
}

HWY_INLINE Chroma unpacked(const std::uint8_t* samples) {
  const __m256i bytes = load(samples), zero = _mm256_setzero_si256();
  return {_mm256_unpacklo_epi8(bytes, zero), _mm256_unpackhi_epi8(bytes, zero)};
}

void row_444(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, std::uint8_t* rgb, int pixels) {
  for (int i = 0; i < pixels; i += kPixelsAtOnce) convert(y + i, unpacked(cb + i), unpacked(cr + i), rgb + 3 * i);
}

/// 16 samples to 32: (3 s + neighbour + rounding) >> kShift.
template <int kShift, int kRoundEven, int kRoundOdd>
HWY_INLINE Chroma upsampled(const std::uint16_t* samples) {
  const __m256i here = load(samples), three = _mm256_add_epi16(here, _mm256_add_epi16(here, here));
  const __m256i even = _mm256_add_epi16(_mm256_add_epi16(three, load(samples - 1)), _mm256_set1_epi16(kRoundEven));
  const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(three, load(samples + 1)), _mm256_set1_epi16(kRoundOdd));
  const __m256i left = _mm256_srli_epi16(even, kShift), right = _mm256_srli_epi16(odd, kShift);
  return {_mm256_unpacklo_epi16(left, right), _mm256_unpackhi_epi16(left, right)};
}

template <int kShift, int kRoundEven, int kRoundOdd>
HWY_INLINE void subsampled_row(const std::uint8_t* y, const std::uint16_t* cb, const std::uint16_t* cr, std::uint8_t* rgb, int pixels) {
  for (int i = 0; i < pixels; i += kPixelsAtOnce)
    convert(y + i, upsampled<kShift, kRoundEven, kRoundOdd>(cb + i / 2), upsampled<kShift, kRoundEven, kRoundOdd>(cr + i / 2), rgb + 3 * i);
}

void row_422(const std::uint8_t* y, const std::uint16_t* cb, const std::uint16_t* cr, std::uint8_t* rgb, int pixels) {
  subsampled_row<2, 1, 2>(y, cb, cr, rgb, pixels);
}
void row_420(const std::uint8_t* y, const std::uint16_t* cb, const std::uint16_t* cr, std::uint8_t* rgb, int pixels) {
  subsampled_row<4, 8, 7>(y, cb, cr, rgb, pixels);
}

HWY_INLINE __m256i widened(const std::uint8_t* samples) { return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(samples))); }

void widen(const std::uint8_t* samples, std::uint16_t* to, int count) {
  for (int i = 0; i < count; i += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), widened(samples + i));
}

void blend(const std::uint8_t* nearer, const std::uint8_t* further, std::uint16_t* to, int count) {
  for (int i = 0; i < count; i += 16) {
    const __m256i here = widened(nearer + i);
    const __m256i sum = _mm256_add_epi16(_mm256_add_epi16(here, here), _mm256_add_epi16(here, widened(further + i)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), sum);
  }
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::jpeg
HWY_AFTER_NAMESPACE();
#endif
