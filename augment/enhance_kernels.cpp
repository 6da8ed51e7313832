#include "augment/enhance_kernels.h"

#include <algorithm>

#include "augment/enhance.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/enhance_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "augment/rgbx-inl.h"

// Plain loops, one for all levels: the compiler makes vectors of them, and keeps each operation as written.
HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {

constexpr int kBlock = 256;  // Pixels at a time, in 4-byte form.

HWY_INLINE std::uint32_t LumaOf(std::uint32_t rgbx) {
  return (19595u * (rgbx & 255u) + 38470u * ((rgbx >> 8) & 255u) + 7471u * ((rgbx >> 16) & 255u) + 32768u) >> 16;
}

// blend() of enhance.h without branches. With 0 < factor < 1 no value leaves 0 .. 255; beyond, truncation and clamping commute.
HWY_INLINE std::uint32_t Blend(std::int32_t d, std::int32_t x, float factor) {
  const float scaled = factor * static_cast<float>(x - d);
  const auto t = static_cast<std::int32_t>(static_cast<float>(d) + scaled);
  const std::int32_t low = t < 0 ? 0 : t;
  return static_cast<std::uint32_t>(low > 255 ? 255 : low);
}

struct Block {
  alignas(64) std::uint32_t words[kBlock + 16];
  HWY_INLINE void Load(const std::uint8_t* rgb, int count) { ExpandRgb(rgb, count, reinterpret_cast<std::uint8_t*>(words)); }
};

void Luma(ImageView in, MutableImageView out) {
  Block block;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; x += kBlock) {
      const int count = in.width - x < kBlock ? in.width - x : kBlock;
      block.Load(in.row(y) + 3 * x, count);
      std::uint8_t* to = out.row(y) + x;
      for (int i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(LumaOf(block.words[i]));
    }
}

std::uint64_t SumLuma(ImageView in) {
  std::uint64_t sum = 0;
  Block block;
  for (int y = 0; y < in.height; ++y) {
    if (in.channels == 1) {
      std::uint32_t part = 0;  // A row has at most 2^24 pixels.
      for (int x = 0; x < in.width; ++x) part += in.row(y)[x];
      sum += part;
      continue;
    }
    for (int x = 0; x < in.width; x += kBlock) {
      const int count = in.width - x < kBlock ? in.width - x : kBlock;
      block.Load(in.row(y) + 3 * x, count);
      std::uint32_t part = 0;
      for (int i = 0; i < count; ++i) part += LumaOf(block.words[i]);
      sum += part;
    }
  }
  return sum;
}

void BlendWithLuma(ImageView in, float factor, MutableImageView out) {
  Block block;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; x += kBlock) {
      const int count = in.width - x < kBlock ? in.width - x : kBlock;
      block.Load(in.row(y) + 3 * x, count);
      for (int i = 0; i < count; ++i) {
        const std::uint32_t word = block.words[i];
        const auto grey = static_cast<std::int32_t>(LumaOf(word));
        block.words[i] = Blend(grey, static_cast<std::int32_t>(word & 255u), factor) |
                         Blend(grey, static_cast<std::int32_t>((word >> 8) & 255u), factor) << 8 |
                         Blend(grey, static_cast<std::int32_t>((word >> 16) & 255u), factor) << 16;
      }
      PackRgb(reinterpret_cast<const std::uint8_t*>(block.words), count, out.row(y) + 3 * x);
    }
}

void SharpenRow(ImageView in, int y, float factor, std::uint8_t* HWY_RESTRICT out) {
  const int channels = in.channels, bytes = in.width * channels;
  const std::uint8_t* HWY_RESTRICT above = in.row(y - 1);
  const std::uint8_t* HWY_RESTRICT row = in.row(y);
  const std::uint8_t* HWY_RESTRICT below = in.row(y + 1);
  for (int i = 0; i < channels; ++i) {
    out[i] = row[i];
    out[bytes - 1 - i] = row[bytes - 1 - i];
  }
  for (int i = channels; i < bytes - channels; ++i) {
    const int neighbours = above[i - channels] + above[i] + above[i + channels] + row[i - channels] + row[i + channels] +
                           below[i - channels] + below[i] + below[i + channels];
    const std::uint32_t sum = static_cast<std::uint32_t>(2 * (5 * row[i] + neighbours) + 13);
    const auto smoothed = static_cast<std::int32_t>(sum / 26u);
    out[i] = static_cast<std::uint8_t>(Blend(smoothed, row[i], factor));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>
namespace millrace::augment {
HWY_EXPORT(Luma);
HWY_EXPORT(SumLuma);
HWY_EXPORT(BlendWithLuma);
HWY_EXPORT(SharpenRow);

void luma(ImageView in, MutableImageView out) {
  if (in.channels != 1) return HWY_DYNAMIC_DISPATCH(Luma)(in, out);
  for (int y = 0; y < in.height; ++y) std::memcpy(out.row(y), in.row(y), static_cast<std::size_t>(in.width));
}
std::uint64_t sum_luma(ImageView in) { return HWY_DYNAMIC_DISPATCH(SumLuma)(in); }
void blend_with_luma(ImageView in, float factor, MutableImageView out) { HWY_DYNAMIC_DISPATCH(BlendWithLuma)(in, factor, out); }
void sharpen_row(ImageView in, int y, float factor, std::uint8_t* out) { HWY_DYNAMIC_DISPATCH(SharpenRow)(in, y, factor, out); }
}  // namespace millrace::augment
#endif
