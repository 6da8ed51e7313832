#include "augment/resize_kernels.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/resize_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL && defined(__GNUC__)
// Highway 1.0.3 detects AVX512_VNNI for this level but names AVX-VNNI to the compiler, which the same machines may lack.
#pragma GCC target("avx512vnni,no-avxvnni")
#endif
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {

constexpr std::int32_t kHalf = 1 << 21;

HWY_INLINE std::uint8_t Clip(std::int32_t sum) {
  const std::int32_t v = sum >> 22, low = v < 0 ? 0 : v;
  return static_cast<std::uint8_t>(low > 255 ? 255 : low);
}

template <int kChannels>
void HorizontalRow(const std::uint8_t* HWY_RESTRICT in, const ResizeTaps& taps, int begin, std::uint8_t* HWY_RESTRICT out) {
  for (int x = begin; x < taps.length; ++x) {
    const std::uint8_t* from = in + taps.first[x] * kChannels;
    const std::int32_t* weight = taps.weight + static_cast<std::ptrdiff_t>(x) * taps.stride;
    std::int32_t sum[kChannels];
    for (int c = 0; c < kChannels; ++c) sum[c] = kHalf;
    for (int j = 0; j < taps.count[x]; ++j)
      for (int c = 0; c < kChannels; ++c) sum[c] += from[j * kChannels + c] * weight[j];
    for (int c = 0; c < kChannels; ++c) out[x * kChannels + c] = Clip(sum[c]);
  }
}

void PlainHorizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) {
  for (int y = 0; y < in.height; ++y) {
    if (in.channels == 1)
      HorizontalRow<1>(in.row(y), taps, 0, out.row(y));
    else
      HorizontalRow<3>(in.row(y), taps, 0, out.row(y));
  }
}

// Columns [x, bytes) of one row.
void PlainRow(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int begin, int bytes,
              std::uint8_t* HWY_RESTRICT out) {
  constexpr int kBlock = 256;
  alignas(64) std::int32_t sum[kBlock];
  for (int x = begin; x < bytes; x += kBlock) {
    const int n = bytes - x < kBlock ? bytes - x : kBlock;
    for (int i = 0; i < n; ++i) sum[i] = kHalf;
    for (int j = 0; j < count; ++j) {
      const std::uint8_t* HWY_RESTRICT row = first_row + j * stride + x;
      const std::int32_t w = weight[j];
      for (int i = 0; i < n; ++i) sum[i] += row[i] * w;
    }
    for (int i = 0; i < n; ++i) out[x + i] = Clip(sum[i]);
  }
}

HWY_INLINE int MostTaps(const ResizeTaps& taps) {
  int most = 0;
  for (int i = 0; i < taps.length; ++i) most = taps.count[i] > most ? taps.count[i] : most;
  return most;
}

#if HWY_TARGET == HWY_AVX3_DL

// A weight of 22 bits is three signed digits of 8 bits: w = d2 * 2^16 + d1 * 2^8 + d0. One instruction multiplies four bytes
// by four digits and adds them to an int32, so the three sums, shifted and added, are the sum of the definition modulo 2^32.
struct Digits {
  std::uint32_t part[3] = {0, 0, 0};
  HWY_INLINE void Put(int tap, std::int32_t weight) {
    for (std::uint32_t& p : part) {
      const auto digit = static_cast<std::int8_t>(weight & 255);
      p |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(digit)) << (8 * tap);
      weight = (weight - digit) >> 8;
    }
  }
};

HWY_INLINE __m512i Join(__m512i sum0, __m512i sum1, __m512i sum2) {
  return _mm512_add_epi32(_mm512_add_epi32(sum0, _mm512_slli_epi32(sum1, 8)), _mm512_slli_epi32(sum2, 16));
}

// 16 outputs (fewer where the picture shrinks a lot): where their taps are within 128 bytes from `base`, and their weights.
struct alignas(64) Block {
  std::uint8_t index[64];
  std::int32_t base, begin, count, pad[13];
};
struct alignas(64) Group {
  std::uint32_t digits[3][16];
};

// Returns the number of blocks; each Block is followed by its groups.
int PackBlocks(const ResizeTaps& taps, int channels, int groups, std::uint8_t* memory) {
  int lanes = 16;
  for (; lanes > 1; lanes /= 2) {
    int widest = 0;
    for (int x = 0; x < taps.length; x += lanes) {
      const int last = (x + lanes < taps.length ? x + lanes : taps.length) - 1;
      const int a = taps.first[x], b = taps.first[last];
      widest = (a > b ? a - b : b - a) > widest ? (a > b ? a - b : b - a) : widest;
    }
    if ((widest + 4) * channels <= 128) break;
  }
  int blocks = 0;
  for (int x = 0; x < taps.length; x += lanes, ++blocks) {
    auto* block = reinterpret_cast<Block*>(memory);
    auto* group = reinterpret_cast<Group*>(memory + sizeof(Block));
    memory += sizeof(Block) + static_cast<std::size_t>(groups) * sizeof(Group);
    block->begin = x;
    block->count = taps.length - x < lanes ? taps.length - x : lanes;
    const int a = taps.first[x], b = taps.first[x + block->count - 1];  // Monotone, falling where the row is mirrored.
    const int lowest = a < b ? a : b;
    block->base = lowest * channels;
    for (int i = 0; i < 16; ++i) {
      const int at = x + (i < block->count ? i : 0);
      for (int t = 0; t < 4; ++t) block->index[4 * i + t] = static_cast<std::uint8_t>((taps.first[at] - lowest + t) * channels);
      for (int g = 0; g < groups; ++g) {
        Digits digits;
        for (int t = 0; t < 4; ++t)
          if (i < block->count && 4 * g + t < taps.count[at])
            digits.Put(t, taps.weight[static_cast<std::ptrdiff_t>(at) * taps.stride + 4 * g + t]);
        for (int d = 0; d < 3; ++d) group[g].digits[d][i] = digits.part[d];
      }
    }
  }
  return blocks;
}

template <int kChannels, int kGroups>  // kGroups 0: any number.
void BlockRow(const std::uint8_t* in, int bytes, int blocks, int groups_given, const std::uint8_t* packed, std::uint8_t* out) {
  const int groups = kGroups == 0 ? groups_given : kGroups;
  const __m512i half = _mm512_set1_epi32(kHalf), zero = _mm512_setzero_si512(), limit = _mm512_set1_epi32(255), one = _mm512_set1_epi8(1);
  alignas(64) static constexpr std::uint8_t kPack[64] = {0,  1,  2,  4,  5,  6,  8,  9,  10, 12, 13, 14, 16, 17, 18, 20,
                                                         21, 22, 24, 25, 26, 28, 29, 30, 32, 33, 34, 36, 37, 38, 40, 41,
                                                         42, 44, 45, 46, 48, 49, 50, 52, 53, 54, 56, 57, 58, 60, 61, 62};
  const __m512i pack = _mm512_load_si512(kPack);
  for (int b = 0; b < blocks; ++b) {
    const auto* block = reinterpret_cast<const Block*>(packed);
    const auto* group = reinterpret_cast<const Group*>(packed + sizeof(Block));
    packed += sizeof(Block) + static_cast<std::size_t>(groups) * sizeof(Group);
    __m512i sums[kChannels][3];
    for (auto& channel : sums) channel[0] = half, channel[1] = zero, channel[2] = zero;
    const __m512i index = _mm512_load_si512(block->index);
    for (int g = 0; g < groups; ++g) {
      const int at = block->base + 4 * kChannels * g, left = bytes - at;
      // Bytes beyond the row belong to taps of weight 0; they are not touched.
      const __mmask64 low = left >= 64 ? ~0ull : left <= 0 ? 0 : (1ull << left) - 1;
      const __mmask64 high = left >= 128 ? ~0ull : left <= 64 ? 0 : (1ull << (left - 64)) - 1;
      const __m512i window0 = _mm512_maskz_loadu_epi8(low, in + at), window1 = _mm512_maskz_loadu_epi8(high, in + at + 64);
      const __m512i digits[3] = {_mm512_load_si512(group[g].digits[0]), _mm512_load_si512(group[g].digits[1]),
                                 _mm512_load_si512(group[g].digits[2])};
      __m512i where = index;
      for (int c = 0; c < kChannels; ++c) {
        const __m512i taps = _mm512_permutex2var_epi8(window0, where, window1);
        for (int d = 0; d < 3; ++d) sums[c][d] = _mm512_dpbusd_epi32(sums[c][d], taps, digits[d]);
        if (c + 1 < kChannels) where = _mm512_add_epi8(where, one);
      }
    }
    __m512i pixel = zero;
    for (int c = 0; c < kChannels; ++c) {
      const __m512i sum = _mm512_srai_epi32(Join(sums[c][0], sums[c][1], sums[c][2]), 22);
      const __m512i byte = _mm512_min_epi32(_mm512_max_epi32(sum, zero), limit);
      pixel = c == 0 ? byte : _mm512_or_si512(pixel, _mm512_slli_epi32(byte, static_cast<unsigned>(8 * c)));
    }
    std::uint8_t* to = out + block->begin * kChannels;
    if constexpr (kChannels == 1) {
      _mm512_mask_cvtepi32_storeu_epi8(to, static_cast<__mmask16>((1u << block->count) - 1), pixel);
    } else {
      _mm512_mask_storeu_epi8(to, (1ull << (3 * block->count)) - 1, _mm512_permutexvar_epi8(pack, pixel));
    }
  }
}

void Horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) {
  const int groups = (MostTaps(taps) + 3) / 4;
  const int blocks = PackBlocks(taps, in.channels, groups, taps.packed);
  const auto row = in.channels == 1 ? (groups == 1 ? BlockRow<1, 1> : BlockRow<1, 0>)
                   : groups == 1    ? BlockRow<3, 1>
                   : groups == 2    ? BlockRow<3, 2>
                                    : BlockRow<3, 0>;
  for (int y = 0; y < in.height; ++y) row(in.row(y), in.width * in.channels, blocks, groups, taps.packed, out.row(y));
}

void Row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* out) {
  constexpr int kMostGroups = 64;
  const int groups = (count + 3) / 4;
  if (groups > kMostGroups) return PlainRow(first_row, stride, weight, count, 0, bytes, out);
  Digits digits[kMostGroups];
  for (int j = 0; j < count; ++j) digits[j / 4].Put(j % 4, weight[j]);
  const __m512i half = _mm512_set1_epi32(kHalf), zero = _mm512_setzero_si512();
  for (int x = 0; x < bytes; x += 64) {
    const __mmask64 valid = bytes - x >= 64 ? ~0ull : (1ull << (bytes - x)) - 1;
    __m512i sums[4][3];
    for (auto& quarter : sums) quarter[0] = half, quarter[1] = zero, quarter[2] = zero;
    for (int g = 0; g < groups; ++g) {
      __m512i rows[4];
      for (int t = 0; t < 4; ++t) {  // Rows beyond the last have weight 0: the last one stands in.
        const int j = 4 * g + t < count ? 4 * g + t : count - 1;
        rows[t] = _mm512_maskz_loadu_epi8(valid, first_row + j * stride + x);
      }
      const __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]), high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
      const __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]), high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
      const __m512i taps[4] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                               _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
      for (int d = 0; d < 3; ++d) {
        const __m512i digit = _mm512_set1_epi32(static_cast<std::int32_t>(digits[g].part[d]));
        for (int q = 0; q < 4; ++q) sums[q][d] = _mm512_dpbusd_epi32(sums[q][d], taps[q], digit);
      }
    }
    __m512i v[4];
    for (int q = 0; q < 4; ++q) v[q] = _mm512_srai_epi32(Join(sums[q][0], sums[q][1], sums[q][2]), 22);
    // Packing undoes the order that unpacking made.
    const __m512i packed = _mm512_packus_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
    _mm512_mask_storeu_epi8(out + x, valid, packed);
  }
}

#elif HWY_TARGET == HWY_AVX2

// A weight of 22 bits is kh * 2^11 + kl with 0 <= kl < 2^11: both fit int16, and two chains of pmaddwd give the exact sum.
struct Halves {
  std::int16_t high, low;
  HWY_INLINE explicit Halves(std::int32_t w) : high(static_cast<std::int16_t>(w >> 11)), low(static_cast<std::int16_t>(w & 2047)) {}
};

// Four taps of one RGB output: taps 0 and 1 in the lower half of each register, 2 and 3 in the upper one.
struct alignas(32) PixelGroup {
  std::int16_t high[16], low[16];
};

void PackPixels(const ResizeTaps& taps, int groups, PixelGroup* packed) {
  for (int x = 0; x < taps.length; ++x)
    for (int g = 0; g < groups; ++g, ++packed)
      for (int i = 0; i < 16; ++i) {
        const int tap = 4 * g + i / 8 * 2 + i % 2;
        const Halves w(tap < taps.count[x] ? taps.weight[static_cast<std::ptrdiff_t>(x) * taps.stride + tap] : 0);
        packed->high[i] = w.high;
        packed->low[i] = w.low;
      }
}

HWY_INLINE __m128i Pixel(const std::uint8_t* from, int groups, const PixelGroup* w) {
  const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11,
                                          -1, -1, -1, -1, -1);
  __m256i high = _mm256_setzero_si256(), low = high;
  for (int g = 0; g < groups; ++g) {
    const __m256i v =
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 12 * g))), spread);
    high = _mm256_add_epi32(high, _mm256_madd_epi16(v, _mm256_load_si256(reinterpret_cast<const __m256i*>(w[g].high))));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(v, _mm256_load_si256(reinterpret_cast<const __m256i*>(w[g].low))));
  }
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, 11), low);
  const __m128i both = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return _mm_srai_epi32(_mm_add_epi32(both, _mm_set1_epi32(kHalf)), 22);
}

template <int kGroups>
void PixelRow(const std::uint8_t* in, int safe, const ResizeTaps& taps, int groups_given, const PixelGroup* packed, std::uint8_t* out) {
  const int groups = kGroups == 0 ? groups_given : kGroups;
  const __m128i pack = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int x = 0;
  for (; x + 6 <= safe; x += 4) {  // Each store covers 16 bytes, of which 12 are meant.
    __m128i v[4];
    for (int i = 0; i < 4; ++i) v[i] = Pixel(in + 3 * taps.first[x + i], groups, packed + static_cast<std::ptrdiff_t>(x + i) * groups);
    const __m128i bytes = _mm_packus_epi16(_mm_packs_epi32(v[0], v[1]), _mm_packs_epi32(v[2], v[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * x), _mm_shuffle_epi8(bytes, pack));
  }
  HorizontalRow<3>(in, taps, x, out);
}

void Horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) {
  const int groups = (MostTaps(taps) + 3) / 4;
  const bool mirrored = taps.length > 1 && taps.first[0] > taps.first[taps.length - 1];
  if (in.channels == 1) return PlainHorizontally(in, taps, out);
  auto* packed = reinterpret_cast<PixelGroup*>(taps.packed);
  PackPixels(taps, groups, packed);
  // Outputs whose 16-byte loads stay within the row; a mirrored row reads its end first, so there the last row is done plainly.
  int safe = 0;
  while (safe < taps.length && 3 * taps.first[safe] + 12 * (groups - 1) + 16 <= 3 * in.width) ++safe;
  for (int y = 0; y < in.height; ++y) {
    // Within the picture's rows a load may run into the next row.
    const bool last = y == in.height - 1 || in.stride_bytes < 16 + 12 * groups;
    if (last && mirrored)
      HorizontalRow<3>(in.row(y), taps, 0, out.row(y));
    else if (groups == 1)
      PixelRow<1>(in.row(y), last ? safe : taps.length, taps, groups, packed, out.row(y));
    else if (groups == 2)
      PixelRow<2>(in.row(y), last ? safe : taps.length, taps, groups, packed, out.row(y));
    else
      PixelRow<0>(in.row(y), last ? safe : taps.length, taps, groups, packed, out.row(y));
  }
}

void Row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* out) {
  const __m256i half = _mm256_set1_epi32(kHalf), zero = _mm256_setzero_si256();
  int x = 0;
  for (; x + 32 <= bytes; x += 32) {
    __m256i high[4] = {zero, zero, zero, zero}, low[4] = {half, half, half, half};
    for (int j = 0; j < count; j += 2) {
      const Halves a(weight[j]), b(j + 1 < count ? weight[j + 1] : 0);
      const auto pair = [](std::int16_t first, std::int16_t second) {
        return _mm256_set1_epi32(static_cast<std::uint16_t>(first) |
                                 static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(second)) << 16));
      };
      const __m256i kh = pair(a.high, b.high), kl = pair(a.low, b.low);
      const auto row = [&](int i) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first_row + (i < count ? i : count - 1) * stride + x));
      };
      const __m256i r0 = row(j), r1 = row(j + 1), lower = _mm256_unpacklo_epi8(r0, r1), upper = _mm256_unpackhi_epi8(r0, r1);
      const __m256i taps[4] = {_mm256_unpacklo_epi8(lower, zero), _mm256_unpackhi_epi8(lower, zero), _mm256_unpacklo_epi8(upper, zero),
                               _mm256_unpackhi_epi8(upper, zero)};
      for (int q = 0; q < 4; ++q) {
        high[q] = _mm256_add_epi32(high[q], _mm256_madd_epi16(taps[q], kh));
        low[q] = _mm256_add_epi32(low[q], _mm256_madd_epi16(taps[q], kl));
      }
    }
    __m256i v[4];
    for (int q = 0; q < 4; ++q) v[q] = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high[q], 11), low[q]), 22);
    const __m256i packed = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), packed);
  }
  PlainRow(first_row, stride, weight, count, x, bytes, out);
}

#else

void Horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) { PlainHorizontally(in, taps, out); }
void Row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* out) {
  PlainRow(first_row, stride, weight, count, 0, bytes, out);
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(Horizontally);
HWY_EXPORT(Row);

void resize_horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) { HWY_DYNAMIC_DISPATCH(Horizontally)(in, taps, out); }
void resize_row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(Row)(first_row, stride, weight, count, bytes, out);
}
}  // namespace millrace::augment
#endif
