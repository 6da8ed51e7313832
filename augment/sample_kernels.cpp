#include <algorithm>
#include <cmath>
#include <cstring>

#include "augment/sample.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/sample_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE std::uint8_t Between(int a, int b, int weight) { return static_cast<std::uint8_t>(a + (((b - a) * weight + (1 << 14)) >> 15)); }

// Outputs [begin, end) of a row. A weight of 0 belongs to the last pixel too, which has no right neighbour.
void PlainSamples(const std::uint8_t* HWY_RESTRICT in, const SampleAxis& axis, int channels, int begin, int end,
                  std::uint8_t* HWY_RESTRICT out) {
  for (int x = begin; x < end; ++x) {
    const std::uint8_t* a = in + axis.first[x] * channels;
    const std::uint8_t* b = axis.weight[x] == 0 ? a : a + channels;
    for (int c = 0; c < channels; ++c) out[x * channels + c] = Between(a[c], b[c], axis.weight[x]);
  }
}

void PlainSampleRow(const std::uint8_t* HWY_RESTRICT a, const std::uint8_t* HWY_RESTRICT b, std::int16_t weight, int begin, int bytes,
                    std::uint8_t* HWY_RESTRICT out) {
  for (int x = begin; x < bytes; ++x) out[x] = Between(a[x], b[x], weight);
}

#if HWY_TARGET == HWY_AVX3_DL

HWY_INLINE __m512i Between16(__m512i a, __m512i b, __m512i weight) {
  return _mm512_add_epi16(a, _mm512_mulhrs_epi16(_mm512_sub_epi16(b, a), weight));
}
HWY_INLINE __m512i BetweenBytes(__m512i a, __m512i b, __m512i weight_low, __m512i weight_high) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i low = Between16(_mm512_unpacklo_epi8(a, zero), _mm512_unpacklo_epi8(b, zero), weight_low);
  const __m512i high = Between16(_mm512_unpackhi_epi8(a, zero), _mm512_unpackhi_epi8(b, zero), weight_high);
  return _mm512_packus_epi16(low, high);
}

// Up to 64 bytes of output: where they lie within 128 bytes from `base`, and their weights in the order of unpacking.
struct alignas(64) Block {
  std::uint8_t index[64];
  std::int16_t low[32], high[32];
  std::int32_t base, begin, count, pad[13];
};

int PackBlocks(const SampleAxis& axis, int channels, Block* blocks) {
  const int bytes = axis.length * channels;
  const auto lowest_of = [&](int begin, int end) { return std::min(axis.first[begin / channels], axis.first[(end - 1) / channels]); };
  int size = 64;
  for (; size > 8; size /= 2) {
    int widest = 0;
    for (int at = 0; at < bytes; at += size) {
      const int end = std::min(at + size, bytes);
      widest = std::max(widest, std::max(axis.first[at / channels], axis.first[(end - 1) / channels]) - lowest_of(at, end));
    }
    if ((widest + 2) * channels <= 128) break;
  }
  int count = 0;
  for (int at = 0; at < bytes; at += size, ++count) {
    Block& block = blocks[count];
    block.begin = at;
    block.count = std::min(size, bytes - at);
    const int lowest = lowest_of(at, at + block.count);
    block.base = lowest * channels;
    const auto byte_at = [&](int i) { return at + std::min(i, block.count - 1); };
    for (int i = 0; i < 64; ++i)
      block.index[i] = static_cast<std::uint8_t>((axis.first[byte_at(i) / channels] - lowest) * channels + byte_at(i) % channels);
    for (int i = 0; i < 32; ++i) {
      const int from = i / 8 * 16 + i % 8;  // Unpacking takes bytes 0 .. 7 of each 16 first.
      block.low[i] = axis.weight[byte_at(from) / channels];
      block.high[i] = axis.weight[byte_at(from + 8) / channels];
    }
  }
  return count;
}

void SampleHorizontally(ImageView in, const SampleAxis& axis, MutableImageView out) {
  const auto* blocks = reinterpret_cast<const Block*>(axis.packed);
  const int channels = in.channels, bytes = in.width * channels;
  // Beyond a factor of 10 or so even 8 bytes of output may need more than 128 of input.
  const bool far = axis.length > 1 && std::abs(axis.first[axis.length - 1] - axis.first[0]) / (axis.length - 1) > 9;
  if (far) {
    for (int y = 0; y < in.height; ++y) PlainSamples(in.row(y), axis, channels, 0, axis.length, out.row(y));
    return;
  }
  const int count = PackBlocks(axis, channels, reinterpret_cast<Block*>(axis.packed));
  const __m512i step = _mm512_set1_epi8(static_cast<char>(channels));
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* from = in.row(y);
    std::uint8_t* to = out.row(y);
    for (int i = 0; i < count; ++i) {
      const Block& block = blocks[i];
      const int left = bytes - block.base;
      const __mmask64 low = left >= 64 ? ~0ull : (1ull << left) - 1;
      const __mmask64 high = left >= 128 ? ~0ull : left <= 64 ? 0 : (1ull << (left - 64)) - 1;
      const __m512i window0 = _mm512_maskz_loadu_epi8(low, from + block.base),
                    window1 = _mm512_maskz_loadu_epi8(high, from + block.base + 64);
      const __m512i index = _mm512_load_si512(block.index);
      const __m512i a = _mm512_permutex2var_epi8(window0, index, window1),
                    b = _mm512_permutex2var_epi8(window0, _mm512_add_epi8(index, step), window1);
      const __m512i result = BetweenBytes(a, b, _mm512_load_si512(block.low), _mm512_load_si512(block.high));
      _mm512_mask_storeu_epi8(to + block.begin, block.count == 64 ? ~0ull : (1ull << block.count) - 1, result);
    }
  }
}

void SampleRow(const std::uint8_t* a, const std::uint8_t* b, std::int16_t weight, int bytes, std::uint8_t* out) {
  const __m512i w = _mm512_set1_epi16(weight);
  for (int x = 0; x < bytes; x += 64) {
    const __mmask64 valid = bytes - x >= 64 ? ~0ull : (1ull << (bytes - x)) - 1;
    _mm512_mask_storeu_epi8(out + x, valid,
                            BetweenBytes(_mm512_maskz_loadu_epi8(valid, a + x), _mm512_maskz_loadu_epi8(valid, b + x), w, w));
  }
}

#elif HWY_TARGET == HWY_AVX2

HWY_INLINE __m128i Between16(__m128i a, __m128i b, __m128i weight) {
  return _mm_add_epi16(a, _mm_mulhrs_epi16(_mm_sub_epi16(b, a), weight));
}

// Two RGB outputs as 16-bit values, a fourth one idle in each.
HWY_INLINE __m128i TwoPixels(const std::uint8_t* in, const std::int32_t* first, const std::int16_t* weights) {
  const __m128i pixels = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + 3 * first[0])),
                                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + 3 * first[1])));
  const __m128i left = _mm_setr_epi8(0, -1, 1, -1, 2, -1, -1, -1, 8, -1, 9, -1, 10, -1, -1, -1);
  const __m128i right = _mm_setr_epi8(3, -1, 4, -1, 5, -1, -1, -1, 11, -1, 12, -1, 13, -1, -1, -1);
  return Between16(_mm_shuffle_epi8(pixels, left), _mm_shuffle_epi8(pixels, right),
                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
}

void SampleHorizontally(ImageView in, const SampleAxis& axis, MutableImageView out) {
  if (in.channels == 1) {
    for (int y = 0; y < in.height; ++y) PlainSamples(in.row(y), axis, 1, 0, axis.length, out.row(y));
    return;
  }
  auto* weights = reinterpret_cast<std::int16_t*>(axis.packed);
  for (int i = 0; i < 4 * axis.length; ++i) weights[i] = axis.weight[i / 4];
  const __m128i pack = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* from = in.row(y);
    std::uint8_t* to = out.row(y);
    // 8 bytes are loaded for a pixel and its neighbour, 16 stored for four: near a row's end only where memory goes on.
    const int reach = y + 1 < in.height && in.stride_bytes >= 3 * in.width ? in.width : in.width - 3;
    const auto fits = [&](int x) { return std::max(axis.first[x], axis.first[x + 3]) <= reach; };
    int x = 0;
    for (; x + 6 <= axis.length; x += 4) {
      if (!fits(x)) {
        PlainSamples(from, axis, 3, x, x + 4, to);
        continue;
      }
      const __m128i bytes =
          _mm_packus_epi16(TwoPixels(from, axis.first + x, weights + 4 * x), TwoPixels(from, axis.first + x + 2, weights + 4 * x + 8));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * x), _mm_shuffle_epi8(bytes, pack));
    }
    PlainSamples(from, axis, 3, x, axis.length, to);
  }
}

void SampleRow(const std::uint8_t* a, const std::uint8_t* b, std::int16_t weight, int bytes, std::uint8_t* out) {
  const __m256i w = _mm256_set1_epi16(weight), zero = _mm256_setzero_si256();
  const auto between = [&](__m256i from, __m256i to) { return _mm256_add_epi16(from, _mm256_mulhrs_epi16(_mm256_sub_epi16(to, from), w)); };
  int x = 0;
  for (; x + 32 <= bytes; x += 32) {
    const __m256i va = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + x)),
                  vb = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + x));
    const __m256i low = between(_mm256_unpacklo_epi8(va, zero), _mm256_unpacklo_epi8(vb, zero));
    const __m256i high = between(_mm256_unpackhi_epi8(va, zero), _mm256_unpackhi_epi8(vb, zero));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), _mm256_packus_epi16(low, high));
  }
  PlainSampleRow(a, b, weight, x, bytes, out);
}

#else

void SampleHorizontally(ImageView in, const SampleAxis& axis, MutableImageView out) {
  for (int y = 0; y < in.height; ++y) PlainSamples(in.row(y), axis, in.channels, 0, axis.length, out.row(y));
}
void SampleRow(const std::uint8_t* a, const std::uint8_t* b, std::int16_t weight, int bytes, std::uint8_t* out) {
  PlainSampleRow(a, b, weight, 0, bytes, out);
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(SampleHorizontally);
HWY_EXPORT(SampleRow);

void sample_horizontally(ImageView in, const SampleAxis& axis, MutableImageView out) {
  HWY_DYNAMIC_DISPATCH(SampleHorizontally)(in, axis, out);
}
void sample_row(const std::uint8_t* a, const std::uint8_t* b, std::int16_t weight, int bytes, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(SampleRow)(a, b, weight, bytes, out);
}

std::size_t sample_bytes(int length) {
  // Blocks of 8 bytes of RGB output at the least: 3 / 8 of a 256-byte block a pixel.
  return static_cast<std::size_t>(length) * (6 + 256 * 3 / 8) + 1024;
}

SampleAxis make_sample_axis(int in_length, int out_length, int begin, int length, bool mirrored, std::uint8_t* memory) {
  const auto aligned = [](std::uint8_t* p) {
    return reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(p) + 63) / 64 * 64);
  };
  SampleAxis axis;
  axis.length = length;
  axis.first = reinterpret_cast<std::int32_t*>(aligned(memory));
  axis.weight = reinterpret_cast<std::int16_t*>(axis.first + length);
  axis.packed = aligned(reinterpret_cast<std::uint8_t*>(axis.weight + length));
  for (int i = 0; i < length; ++i) {
    const double c = (begin + i + 0.5) * in_length / out_length - 0.5;
    int j = static_cast<int>(std::floor(c));
    int w = std::min(32767, static_cast<int>(std::floor((c - j) * 32768 + 0.5)));
    if (j < 0) j = w = 0;
    if (j >= in_length - 1) j = in_length - 1, w = 0;
    const int at = mirrored ? length - 1 - i : i;
    axis.first[at] = j;
    axis.weight[at] = static_cast<std::int16_t>(w);
  }
  return axis;
}
}  // namespace millrace::augment
#endif
