#pragma once
// Which instruction sets the kernels are compiled for; include before <hwy/foreach_target.h>.
//   N_EMU128   plain C++, the definition of the others ("scalar" in dispatch.h)
//   N_AVX2     Haswell, Zen and later
//   N_AVX3_DL  AVX-512 with VBMI and its companions: Ice Lake, Zen 4 and later
// Files that hold kernels are compiled once for each: no standard template may be defined there for the first time
// (the linker would keep one copy for all), and -ffp-contract=off must hold (FMA exists on the last two).
#define HWY_WANT_AVX3_DL
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3)
