#include "pipeline/jpeg/kernels.h"

// N_AVX2 (Haswell, Zen and later) does everything; N_EMU128 nothing: libjpeg-turbo's own vector code is better than plain C++ here, and
// is what all of this is defined by. Wider vectors could touch 18 % of a decode (IDCT and colours), and could not be measured: AVX-512
// machines run N_AVX2. No standard template may be defined here for the first time (the linker would keep one copy for all).
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pipeline/jpeg/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pipeline/jpeg/entropy-inl.h"
#include "pipeline/jpeg/idct-inl.h"
#include "pipeline/jpeg/color-inl.h"

HWY_BEFORE_NAMESPACE();
namespace millrace::jpeg {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX2
constexpr Kernels kSet = {unstuff, seek, skip_mcus, decode_mcus, inverse_dct, grey_row, row_444, row_422, row_420, widen, blend};
const Kernels* kernel_set() { return &kSet; }
#else
const Kernels* kernel_set() { return nullptr; }
#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::jpeg {
HWY_EXPORT(kernel_set);

const Kernels* kernels() { return HWY_DYNAMIC_DISPATCH(kernel_set)(); }

}  // namespace millrace::jpeg
#endif
