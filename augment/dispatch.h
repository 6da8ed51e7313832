#pragma once
#include <cstdint>

namespace millrace::augment {

/// Instruction sets that kernels exist for. All give the same bits; `scalar` is the definition.
enum class Level : std::uint8_t { scalar, avx2, avx512 };

constexpr const char* name_of(Level level) {
  constexpr const char* names[] = {"scalar", "AVX2", "AVX-512"};
  return names[static_cast<int>(level)];
}

/// What this machine runs; avx512 needs VBMI as well (Ice Lake, Zen 4 and later).
bool supports(Level level);
/// The level that kernels use now: the best one, unless forced.
Level active_level();

/// Forces one level for the process while it lives; for tests and benchmarks.
/// Threads: make and destroy it while no kernel runs.
/// Errors:  Error(usage) where the machine lacks the level.
class ForcedLevel {
 public:
  explicit ForcedLevel(Level level);
  ~ForcedLevel();
  ForcedLevel(const ForcedLevel&) = delete;
  ForcedLevel& operator=(const ForcedLevel&) = delete;
};

}  // namespace millrace::augment
