// What a forecast holds of decoders' memory.
#include "pipeline/memory_plan.h"

#include <gtest/gtest.h>

#include "fakes.h"
#include "pipeline/decode_memory.h"

namespace millrace::test {
namespace {

/// Encoded pictures: two bytes each, width and height; the second of them is the one whose decoding takes most.
class EncodedSource final : public Source {
 public:
  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return 3; }
  Expected<Sample> read(std::uint64_t index, Buffer&) const override { return Sample{{kFiles[index], 2}, {}, 0}; }
  std::string origin(std::uint64_t) const override { return "picture"; }

 private:
  static constexpr std::uint8_t kFiles[3][2] = {{40, 40}, {30, 40}, {20, 40}};
  SourceInfo info_{.name = "encoded", .classes = {"one"}, .channels = 1};
};

/// Says of the picture of 30 x 40 that its library takes 50 MiB.
class CostlyDecoder final : public Decoder, public DecodeMemory {
 public:
  static constexpr std::uint64_t kCost = 50 << 20;
  Expected<ImageInfo> header(std::span<const std::uint8_t> bytes) override {
    bytes_ = bytes[0] == 30 ? kCost : 0;
    return ImageInfo{{bytes[0], bytes[1]}, 1};
  }
  Expected<ImageView> decode(std::span<const std::uint8_t>, const Roi& roi, Buffer& canvas) override {
    return ImageView{canvas.reserve(1600), roi.width, roi.height, 1, roi.width};
  }
  std::uint64_t decode_bytes() const override { return bytes_; }

 private:
  std::uint64_t bytes_ = 0;
};

TEST(MemoryForecast, HoldsWhatTheDecodersLibraryTakesOfThePictureThatTakesMost) {
  const EncodedSource source;
  const FakeRecipe recipe(4);
  LoaderOptions options{.workers = 2, .batch = 3};
  options.make_decoder = [] { return std::make_unique<CostlyDecoder>(); };
  const MemoryForecast forecast = forecast_memory(source, recipe, options);
  EXPECT_EQ(forecast.largest, (Size{30, 40}));
  EXPECT_GE(forecast.workspace_bytes, forecast.buffer_bytes + CostlyDecoder::kCost);
  EXPECT_LT(forecast.buffer_bytes, std::uint64_t{2} << 20) << "a worker gives the library's memory back, and keeps its buffers alone";
  EXPECT_EQ(forecast.workspaces, 2 * forecast.workspace_bytes);
}

TEST(MemoryForecast, IsEnoughForAWorkersBuffersSoThatItGivesNothingBack) {
  const FakeSource source(64, 8);
  const FakeRecipe recipe(8);
  LoaderOptions options{.workers = 2, .batch = 16, .batches = 8};
  const MemoryForecast forecast = forecast_memory(source, recipe, options);
  options.buffers = forecast.buffers;
  options.workspace_bytes = forecast.buffer_bytes;
  Loader loader(source, recipe, options);
  EXPECT_EQ(drain(loader.stream()).rows, 128u);
  EXPECT_EQ(loader.report().large_pictures, 0u);
}

}  // namespace
}  // namespace millrace::test
