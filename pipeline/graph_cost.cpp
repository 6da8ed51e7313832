#include "pipeline/graph_cost.h"

#include "pipeline/loader.h"

namespace millrace {
namespace {

class NullSource final : public Source {
 public:
  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return 1 << 16; }
  Expected<Sample> read(std::uint64_t, Buffer&) const override { return Sample{{}, {&pixel_, 1, 1, 1, 1}, 0}; }
  std::string origin(std::uint64_t index) const override { return "null[" + std::to_string(index) + "]"; }

 private:
  SourceInfo info_{"null", {}, {1, 1}, 1, "null"};
  std::uint8_t pixel_ = 0;
};

class NullRecipe final : public Recipe {
 public:
  const RowFormat& format() const override { return format_; }
  Expected<Draw> draw(const ImageInfo&, const RngKey&) const override { return Draw(); }
  Expected<void> apply(const Draw&, const ImageInfo&, ImageView, void*, Scratch&) const override { return {}; }
  std::string describe(const Draw&) const override { return {}; }

 private:
  RowFormat format_{1, 1, 1, Dtype::u8, Layout::nchw};
};

}  // namespace

GraphCost measure_graph_cost(double seconds) {
  const NullSource source;
  const NullRecipe recipe;
  LoaderOptions options;
  options.batch = 256, options.sampler = Sampler::sequential, options.rows_per_message = 1;
  Loader loader(source, recipe, options);
  for (int i = 0; i < 64; ++i) loader.stream().next(); // Warm: threads, pools, pages.
  const auto sum = [&] {
    double busy = 0;
    std::uint64_t messages = 0;
    for (const auto& of : loader.report().stages) {
      busy += of.stats.busy_seconds;
      messages += of.stats.messages;
    }
    return std::pair{busy, messages};
  };
  const auto began = SteadyClock::now();
  const auto [busy0, messages0] = sum();
  double wall = 0;
  std::uint64_t images = 0;
  while (wall < seconds) {
    images += static_cast<std::uint64_t>(loader.stream().next()->rows());
    wall = seconds_between(began, SteadyClock::now());
  }
  const auto [busy, messages] = sum();
  return {1e6 * (wall - (busy - busy0)) / static_cast<double>(messages - messages0), static_cast<double>(images) / wall};
}

double measure_clock_cost() {
  constexpr int kRuns = 9, kEntries = 2000;
  StageClocks clocks(1);
  std::array<double, kRuns> seconds{};
  for (double& run : seconds) {
    const auto began = SteadyClock::now();
    for (int i = 0; i < kEntries; ++i) {
      const auto from = SteadyClock::now();
      clocks.add(0, Stage::augment, SteadyClock::now() - from, 1);
    }
    run = seconds_between(began, SteadyClock::now()) / kEntries;
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  return seconds[kRuns / 2];
}

}  // namespace millrace
