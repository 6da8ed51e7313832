#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <vector>

#include "pipeline/digest.h"
#include "pipeline/loader.h"

namespace millrace::test {

/// Raw grey pictures of side x side pixels whose bytes are a function of the index.
class FakeSource final : public Source {
 public:
  explicit FakeSource(std::uint64_t size, int side = 4, bool uniform_size = true) : size_(size), side_(side) {
    info_ = {"fake", {"even", "odd"}, uniform_size ? Size{side, side} : Size{}, 1, "fake"};
    pixels_.resize(size * bytes());
    for (std::size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<std::uint8_t>((i * 2654435761u) >> 13);
  }
  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return size_; }
  Expected<Sample> read(std::uint64_t index, Buffer&) const override {
    ++reads;
    if (bad && bad(index)) return tl::unexpected(Fault{FaultKind::corrupt, 0, "", 7, "made bad"});
    return Sample{{}, {pixels_.data() + index * bytes(), side_, side_, 1, side_}, static_cast<std::int64_t>(index % 2)};
  }
  std::string origin(std::uint64_t index) const override { return "fake[" + std::to_string(index) + "]"; }

  std::function<bool(std::uint64_t)> bad;
  mutable std::atomic<std::uint64_t> reads{0};

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_); }
  std::uint64_t size_;
  int side_;
  SourceInfo info_;
  std::vector<std::uint8_t> pixels_;
};

/// Copies the picture and adds a drawn number to every pixel.
class FakeRecipe final : public Recipe {
 public:
  explicit FakeRecipe(int side = 4) : format_{1, side, side, Dtype::u8, Layout::nchw} {}
  const RowFormat& format() const override { return format_; }
  Expected<Draw> draw(const ImageInfo& image, const RngKey& key) const override {
    Draw draw;
    draw.framing.roi = {0, 0, image.size.width, image.size.height};
    draw.count = 1;
    draw.ops[0].parameters[0] = static_cast<double>(Rng(key).below(256));
    return draw;
  }
  Expected<void> apply(const Draw& draw, const ImageInfo&, ImageView in, void* row, Scratch&) const override {
    if (on_apply) on_apply();
    auto* out = static_cast<std::uint8_t*>(row);
    for (std::size_t i = 0; i < format_.bytes(); ++i) out[i] = static_cast<std::uint8_t>(in.data[i] + draw.ops[0].parameters[0]);
    return {};
  }
  std::string describe(const Draw&) const override { return "add"; }
  /// Two boxes a picture, where it erases: of zeros, then of the drawn number.
  void erasures(const Draw& draw, Erasures& into) const override {
    if (!erases) return;
    into.boxes.push_back({0, {0, 0, 2, 2}, 0, 0});
    into.boxes.push_back({0, {1, 1, 1, 1}, into.values.size(), 1});
    into.values.push_back(static_cast<float>(draw.ops[0].parameters[0]));
  }

  std::function<void()> on_apply;
  bool erases = false;

 private:
  RowFormat format_;
};

struct Delivered {
  std::string digest;
  std::uint64_t batches = 0, rows = 0;
};

/// Takes everything a stream has.
inline Delivered drain(BatchStream& stream, Digest::Of what = Digest::Of::pixels) {
  Digest digest(what);
  Delivered all;
  std::optional<std::uint64_t> last;
  while (std::optional<Batch> batch = stream.next()) {
    EXPECT_EQ(batch->number(), last ? *last + 1 : batch->number()); // A digest cannot tell the order of delivery.
    last = batch->number();
    digest.add(*batch);
    ++all.batches;
    all.rows += static_cast<std::uint64_t>(batch->rows());
  }
  all.digest = digest.text();
  return all;
}

}  // namespace millrace::test
