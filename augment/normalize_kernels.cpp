#include "augment/normalize_kernels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/normalize_kernels.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kStreamedElements = 64 * 1024;

// One channel: contiguous bytes to floats.
void PlainPlane(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count, const Normalizer& n, int c, float* HWY_RESTRICT to) {
  const float* table = n.value[static_cast<std::size_t>(c)].data();
  for (std::size_t i = 0; i < count; ++i) to[i] = table[bytes[i]];
}

#if HWY_TARGET == HWY_AVX3_DL

// A table of 256 floats as four tables of 256 bytes: two shuffles of 128 entries and a blend look up 64 bytes at once.
void Plane(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count, const Normalizer& n, int c, bool stream, float* HWY_RESTRICT to) {
  const auto& planes = n.plane[static_cast<std::size_t>(c)];
  __m512i table[4][4];
  for (std::size_t b = 0; b < 4; ++b)
    for (std::size_t k = 0; k < 4; ++k) table[b][k] = _mm512_loadu_si512(planes[b].data() + 64 * k);
  // Interleaving works within 128-bit blocks: with the words transposed first, the results come out in order.
  const __m512i transpose = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  stream = stream && reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
  for (std::size_t i = 0; i < count; i += 64) {
    const std::size_t left = count - i;
    const __mmask64 valid = left >= 64 ? ~0ull : (1ull << left) - 1;
    const __m512i v = _mm512_permutexvar_epi32(transpose, _mm512_maskz_loadu_epi8(valid, bytes + i));
    const __mmask64 upper = _mm512_movepi8_mask(v);
    __m512i found[4];
    for (int b = 0; b < 4; ++b)
      found[b] = _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(table[b][0], v, table[b][1]), upper,
                                      _mm512_permutex2var_epi8(table[b][2], v, table[b][3]));
    const __m512i low0 = _mm512_unpacklo_epi8(found[0], found[1]), low1 = _mm512_unpackhi_epi8(found[0], found[1]);
    const __m512i high0 = _mm512_unpacklo_epi8(found[2], found[3]), high1 = _mm512_unpackhi_epi8(found[2], found[3]);
    const __m512i out[4] = {_mm512_unpacklo_epi16(low0, high0), _mm512_unpackhi_epi16(low0, high0), _mm512_unpacklo_epi16(low1, high1),
                            _mm512_unpackhi_epi16(low1, high1)};
    if (left >= 64 && stream) {
      for (int k = 0; k < 4; ++k) _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i) + k, out[k]);
    } else if (left >= 64) {
      for (int k = 0; k < 4; ++k) _mm512_storeu_si512(to + i + 16 * static_cast<std::size_t>(k), out[k]);
    } else {
      for (int k = 0; k < 4; ++k)
        _mm512_mask_storeu_epi32(to + i + 16 * static_cast<std::size_t>(k), static_cast<__mmask16>(valid >> (16 * k)), out[k]);
    }
  }
}
bool FormulaEqualsTables(const Normalizer&) { return false; }

#elif HWY_TARGET == HWY_AVX2

// Division by a product with the reciprocal and one correction: not always the rounded quotient, hence the check of all 256.
HWY_INLINE hn::Vec<hn::ScalableTag<float> > Quotient(hn::Vec<hn::ScalableTag<float> > a, hn::Vec<hn::ScalableTag<float> > b,
                                                     hn::Vec<hn::ScalableTag<float> > inverse) {
  const auto q = hn::Mul(a, inverse);
  return hn::MulAdd(hn::NegMulAdd(q, b, a), inverse, q);
}

void FormulaPlane(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count, const Normalizer& n, int c, bool stream,
                  float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d), i0 = static_cast<std::size_t>(c);
  const auto k255 = hn::Set(d, 255.0f), inverse255 = hn::Set(d, 1.0f / 255.0f);
  const auto mean = hn::Set(d, n.mean[i0]), std = hn::Set(d, n.std[i0]), inverse = hn::Set(d, n.inverse_std[i0]);
  stream = stream && reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, bytes + i)));
    const auto result = Quotient(hn::Sub(Quotient(v, k255, inverse255), mean), std, inverse);
    stream ? hn::Stream(result, d, to + i) : hn::StoreU(result, d, to + i);
  }
  PlainPlane(bytes + i, count - i, n, c, to + i);
}
void Plane(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count, const Normalizer& n, int c, bool stream, float* HWY_RESTRICT to) {
  n.by_formula ? FormulaPlane(bytes, count, n, c, stream, to) : PlainPlane(bytes, count, n, c, to);
}
bool FormulaEqualsTables(const Normalizer& n) {
  std::uint8_t bytes[256];
  float results[256];
  for (int v = 0; v < 256; ++v) bytes[v] = static_cast<std::uint8_t>(v);
  for (int c = 0; c < n.channels; ++c) {
    FormulaPlane(bytes, 256, n, c, false, results);
    if (std::memcmp(results, n.value[static_cast<std::size_t>(c)].data(), sizeof results) != 0) return false;
  }
  return true;
}

#else

void Plane(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count, const Normalizer& n, int c, bool, float* HWY_RESTRICT to) {
  PlainPlane(bytes, count, n, c, to);
}
bool FormulaEqualsTables(const Normalizer&) { return false; }

#endif

void PlanesFromRgb(const std::uint8_t* HWY_RESTRICT rgb, std::size_t count, std::uint8_t* HWY_RESTRICT r, std::uint8_t* HWY_RESTRICT g,
                   std::uint8_t* HWY_RESTRICT b) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t lanes = hn::Lanes(d);
  for (; i + lanes <= count; i += lanes) {
    hn::Vec<decltype(d)> red, green, blue;
    hn::LoadInterleaved3(d, rgb + 3 * i, red, green, blue);
    hn::StoreU(red, d, r + i);
    hn::StoreU(green, d, g + i);
    hn::StoreU(blue, d, b + i);
  }
#endif
  for (; i < count; ++i) {
    r[i] = rgb[3 * i];
    g[i] = rgb[3 * i + 1];
    b[i] = rgb[3 * i + 2];
  }
}

void Normalize(const std::uint8_t* pixels, std::size_t count, const Normalizer& n, Layout layout, float* picture, std::size_t first,
               std::size_t total) {
  // A large picture leaves the caches before anyone reads it: past them it need not be fetched in order to be overwritten.
  const bool stream = total * static_cast<std::size_t>(n.channels) >= kStreamedElements;
  if (n.channels == 1) {
    Plane(pixels, count, n, 0, stream, picture + first);
    if (stream) hwy::FlushStream();
    return;
  }
  if (layout == Layout::nhwc) {
    float* to = picture + 3 * first;
    for (std::size_t i = 0; i < 3 * count; i += 3)
      for (std::size_t c = 0; c < 3; ++c) to[i + c] = n.value[c][pixels[i + c]];
    return;
  }
  constexpr std::size_t kBlock = 2048;  // Three planes of it stay in the first-level cache.
  alignas(64) std::uint8_t planes[3][kBlock];
  for (std::size_t done = 0; done < count; done += kBlock) {
    const std::size_t block = std::min(kBlock, count - done);
    PlanesFromRgb(pixels + 3 * done, block, planes[0], planes[1], planes[2]);
    for (int c = 0; c < 3; ++c) Plane(planes[c], block, n, c, stream, picture + static_cast<std::size_t>(c) * total + first + done);
  }
  if (stream) hwy::FlushStream();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(Normalize);
HWY_EXPORT(PlanesFromRgb);
HWY_EXPORT(FormulaEqualsTables);

void normalize(const std::uint8_t* pixels, std::size_t count, const Normalizer& n, Layout layout, float* picture, std::size_t first,
               std::size_t total) {
  HWY_DYNAMIC_DISPATCH(Normalize)(pixels, count, n, layout, picture, first, total);
}
void planes_from_rgb(const std::uint8_t* pixels, std::size_t count, std::uint8_t* r, std::uint8_t* g, std::uint8_t* b) {
  HWY_DYNAMIC_DISPATCH(PlanesFromRgb)(pixels, count, r, g, b);
}
bool formula_equals_tables(const Normalizer& n) { return HWY_DYNAMIC_DISPATCH(FormulaEqualsTables)(n); }
}  // namespace millrace::augment
#endif
