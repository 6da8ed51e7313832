#include "augment/resize_kernels.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/resize_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {

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

void Horizontally(ImageView in, const ResizeTaps& taps, MutableImageView out) {
  for (int y = 0; y < in.height; ++y) {
    if (in.channels == 1) HorizontalRow<1>(in.row(y), taps, 0, out.row(y));
    else HorizontalRow<3>(in.row(y), taps, 0, out.row(y));
  }
}

void Row(const std::uint8_t* first_row, std::ptrdiff_t stride, const std::int32_t* weight, int count, int bytes, std::uint8_t* HWY_RESTRICT out) {
  constexpr int kBlock = 256;
  alignas(64) std::int32_t sum[kBlock];
  for (int x = 0; x < bytes; x += kBlock) {
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
