#include "augment/flip_kernels.h"

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/flip_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {

void ReverseRgb(const std::uint8_t* HWY_RESTRICT from, int width, std::uint8_t* HWY_RESTRICT to) {
  int x = 0;
  const auto one = [&] {
    for (int c = 0; c < 3; ++c) to[3 * x + c] = from[3 * (width - 1 - x) + c];
  };
#if HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  // Five pixels a step: 15 of the 16 bytes loaded and stored are meant. The first pixel goes alone, because the byte after
  // the ones meant must still be in the row.
  const hwy::HWY_NAMESPACE::Full128<std::uint8_t> d;
  alignas(16) static constexpr std::uint8_t kReverse[16] = {12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, 15};
  const auto order = hwy::HWY_NAMESPACE::Load(d, kReverse);
  if (width > 0) one(), ++x;
  for (; x + 6 <= width; x += 5)
    hwy::HWY_NAMESPACE::StoreU(hwy::HWY_NAMESPACE::TableLookupBytes(hwy::HWY_NAMESPACE::LoadU(d, from + 3 * (width - 5 - x)), order), d,
                               to + 3 * x);
#endif
  for (; x < width; ++x) one();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(ReverseRgb);
void reverse_rgb(const std::uint8_t* from, int width, std::uint8_t* to) { HWY_DYNAMIC_DISPATCH(ReverseRgb)(from, width, to); }
}  // namespace millrace::augment
#endif
