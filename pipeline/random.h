#pragma once
#include <array>
#include <cstdint>

namespace millrace {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// Which random stream: pixels depend on these four values and on nothing else. `slot` is the operation's place in its
/// recipe, so that the number of draws in one operation never shifts another.
/// Mapping, fixed once: key = seed (low, high word); counter = {block + (slot << 24), sample low, sample high, epoch}.
struct RngKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint64_t sample = 0;
  std::uint8_t slot = 0;

  RngKey with_slot(std::uint8_t s) const { return {seed, epoch, sample, s}; }
};

/// Slots that are not operations of a recipe.
inline constexpr std::uint8_t kPermutationSlot = 255;
inline constexpr std::uint8_t kSubstituteSlot = 254;

/// The only door to random numbers for the draws of recipes; tests put a list of prepared numbers behind it.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual double uniform() = 0;                     ///< U(): [0, 1), 53 bits.
  virtual std::uint64_t below(std::uint64_t n) = 0; ///< I(n): 0 .. n-1, unbiased; n >= 1.
  double uniform(double a, double b) { return a + (b - a) * uniform(); }
  double normal();                                  ///< N(0, 1): Box-Muller on two U(), log argument 1 - U.
};

/// A stream of random numbers keyed by (seed, epoch, sample, slot). Definitions: U() from two consecutive 32-bit outputs
/// a, b as ((a * 2^32 + b) >> 11) * 2^-53; I(n) by multiply-high with rejection (Lemire 2019).
/// Limit: 2^24 blocks (2^25 uniforms) a stream.
class Rng final : public RandomSource {
 public:
  explicit Rng(const RngKey& key);
  using RandomSource::uniform;
  double uniform() override;
  std::uint64_t below(std::uint64_t n) override;
  std::uint32_t next32();
  std::uint64_t next64() {
    const std::uint64_t high = next32();
    return high << 32 | next32();
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace millrace
