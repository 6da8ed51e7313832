#include "pipeline/random.h"

#include <cmath>
#include <numbers>

namespace millrace {
namespace {

__extension__ using Wide = unsigned __int128; // -Wpedantic: g++ and clang on x86-64 have it.

struct Product {
  std::uint32_t high, low;
};
inline Product multiply(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t p = std::uint64_t{a} * b;
  return {static_cast<std::uint32_t>(p >> 32), static_cast<std::uint32_t>(p)};
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const Product p0 = multiply(0xD2511F53u, c[0]);
    const Product p1 = multiply(0xCD9E8D57u, c[2]);
    c = {p1.high ^ c[1] ^ k[0], p1.low, p0.high ^ c[3] ^ k[1], p0.low};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

double RandomSource::normal() {
  const double u = uniform(), v = uniform();
  return std::sqrt(-2.0 * std::log(1.0 - u)) * std::cos(2.0 * std::numbers::pi * v);
}

Rng::Rng(const RngKey& key)
    : key_{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)},
      counter_{static_cast<std::uint32_t>(key.slot) << 24, static_cast<std::uint32_t>(key.sample),
               static_cast<std::uint32_t>(key.sample >> 32), key.epoch} {}

std::uint32_t Rng::next32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

double Rng::uniform() { return static_cast<double>(next64() >> 11) * 0x1.0p-53; }

std::uint64_t Rng::below(std::uint64_t n) {
  if (n <= 0xFFFFFFFFu) {
    const auto m = static_cast<std::uint32_t>(n);
    std::uint64_t product = std::uint64_t{next32()} * m;
    if (static_cast<std::uint32_t>(product) < m) {
      const std::uint32_t threshold = (0u - m) % m;
      while (static_cast<std::uint32_t>(product) < threshold) product = std::uint64_t{next32()} * m;
    }
    return product >> 32;
  }
  Wide product = static_cast<Wide>(next64()) * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t threshold = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(next64()) * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

}  // namespace millrace
