#include "datasets/digits.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "datasets/digit_pen.h"
#include "datasets/raw_set.h"
#include "pipeline/cores.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMaxPictures = 5'000'000, kImageBytes = std::uint64_t{kDigitSide} * kDigitSide;
/// Keeps the drawing's numbers apart from those that recipes, plans and substitutes draw from the same seed.
constexpr std::uint8_t kDigitsSlot = 253;

void draw_range(const DigitsOptions& options, RawSet& set, std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t i = begin; i < end; ++i) {
    const RngKey key{.seed = options.seed, .epoch = static_cast<std::uint32_t>(options.split), .sample = i, .slot = kDigitsSlot};
    set.labels[i] = static_cast<std::uint8_t>(draw_digit(key, set.pixels.data() + i * kImageBytes));
  }
}

}  // namespace

std::unique_ptr<Source> open_digits(const DigitsOptions& options) {
  const std::uint64_t size = options.size.value_or(options.split == Split::train ? 60'000 : 10'000);
  if (size == 0 || size > kMaxPictures) {
    throw Error(ErrorKind::usage, "digits: a set of " + std::to_string(size) + " pictures", "ask for 1 to 5000000");
  }
  RawSet set{.name = "digits", .classes = numbered_classes(10), .size = {kDigitSide, kDigitSide}, .channels = 1, .pixels = SetMemory(size * kImageBytes)};
  set.labels.resize(size);
  constexpr std::uint64_t kWorthAThread = 1'000;
  const std::uint64_t wanted = options.threads > 0 ? static_cast<unsigned>(options.threads) : static_cast<unsigned>(usable_cores());
  const std::uint64_t threads = std::clamp<std::uint64_t>(size / kWorthAThread, 1, std::min<std::uint64_t>(wanted, 64));
  {
    std::vector<std::jthread> others;
    for (std::uint64_t t = 1; t < threads; ++t) {
      others.emplace_back([&, t] { draw_range(options, set, size * t / threads, size * (t + 1) / threads); });
    }
    draw_range(options, set, 0, size / threads);
  }
  return make_raw_source(std::move(set));
}

}  // namespace millrace
