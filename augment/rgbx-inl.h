// Rows of 3-byte pixels to rows of 4-byte pixels and back, for each instruction set. Included by kernels only.
#if defined(MILLRACE_AUGMENT_RGBX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MILLRACE_AUGMENT_RGBX_INL_H_
#undef MILLRACE_AUGMENT_RGBX_INL_H_
#else
#define MILLRACE_AUGMENT_RGBX_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {

/// Writes 4 * count bytes (the fourth of each is unspecified); reads 3 * count.
HWY_INLINE void ExpandRgb(const std::uint8_t* HWY_RESTRICT rgb, int count, std::uint8_t* HWY_RESTRICT rgbx) {
  int x = 0;
#if HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const hwy::HWY_NAMESPACE::Full128<std::uint8_t> d;
  alignas(16) static constexpr std::uint8_t kSpread[16] = {0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12};
  const auto spread = hwy::HWY_NAMESPACE::Load(d, kSpread);
  for (; x + 6 <= count; x += 4)
    hwy::HWY_NAMESPACE::StoreU(hwy::HWY_NAMESPACE::TableLookupBytes(hwy::HWY_NAMESPACE::LoadU(d, rgb + 3 * x), spread), d, rgbx + 4 * x);
#endif
  for (; x < count; ++x)
    for (int c = 0; c < 3; ++c) rgbx[4 * x + c] = rgb[3 * x + c];
}

/// Writes 3 * count bytes; reads 4 * count.
HWY_INLINE void PackRgb(const std::uint8_t* HWY_RESTRICT rgbx, int count, std::uint8_t* HWY_RESTRICT rgb) {
  int x = 0;
#if HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const hwy::HWY_NAMESPACE::Full128<std::uint8_t> d;
  alignas(16) static constexpr std::uint8_t kPack[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0};
  const auto pack = hwy::HWY_NAMESPACE::Load(d, kPack);
  // Each store covers 16 bytes, of which the next one rewrites 4.
  for (; x + 6 <= count; x += 4)
    hwy::HWY_NAMESPACE::StoreU(hwy::HWY_NAMESPACE::TableLookupBytes(hwy::HWY_NAMESPACE::LoadU(d, rgbx + 4 * x), pack), d, rgb + 3 * x);
#endif
  for (; x < count; ++x)
    for (int c = 0; c < 3; ++c) rgb[3 * x + c] = rgbx[4 * x + c];
}

}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();
#endif
