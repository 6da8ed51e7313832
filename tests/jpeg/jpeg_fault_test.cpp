// Broken, hostile and unsupported bytes: a clear fault or exact pixels, never a crash and never grey in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"

namespace millrace::test {
namespace {

using testing::HasSubstr;

class JpegFaults : public testing::Test {
 protected:
  Expected<ImageView> decode(const File& file, const Roi& roi) { return decoder_.decode(file, roi, canvas_); }
  Fault fault_of(const File& file) {
    const auto info = decoder_.header(file);
    if (!info) return info.error();
    const auto view = decode(file, {0, 0, info->size.width, info->size.height});
    return view ? Fault{.detail = "delivered"} : view.error();
  }
  /// The first marker FF `code`, or the end.
  static std::size_t find_marker(const File& file, std::uint8_t code) {
    for (std::size_t i = 0; i + 1 < file.size(); ++i)
      if (file[i] == 0xFF && file[i + 1] == code) return i;
    return file.size();
  }

  JpegDecoder decoder_{{}};
  Buffer canvas_;
  const File good_ = encode(test_picture({48, 40}, 3, 1), {.quality = 50});
};

TEST_F(JpegFaults, NameWhatIsNotAJpeg) {
  EXPECT_THAT(fault_of({}).detail, HasSubstr("empty"));
  EXPECT_THAT(fault_of({0x89, 'P', 'N', 'G'}).detail, HasSubstr("not a JPEG"));
  EXPECT_EQ(fault_of({0xFF, 0xD8}).kind, FaultKind::truncated);
}

TEST_F(JpegFaults, CallEveryTruncationTruncatedWhateverTheCrop) {
  for (std::size_t length = 2; length < good_.size(); length += 7) {
    const File cut(good_.begin(), good_.begin() + std::ptrdiff_t(length));
    EXPECT_EQ(fault_of(cut).kind, FaultKind::truncated) << length;
    if (!decoder_.header(cut)) continue;
    EXPECT_FALSE(decode(cut, {0, 0, 8, 1})) << length;
  }
}

TEST_F(JpegFaults, ReportATruncationThatWasClosedWithAnEndMarker) {
  const std::size_t scan = find_marker(good_, 0xDA);
  for (std::size_t length = scan + 14; length + 2 < good_.size(); length += 7) {
    File cut(good_.begin(), good_.begin() + std::ptrdiff_t(length));
    cut.insert(cut.end(), {0xFF, 0xD9});
    const Fault fault = fault_of(cut);
    EXPECT_EQ(fault.kind, FaultKind::corrupt) << length;
    EXPECT_GE(fault.offset_bytes, scan) << length;
    EXPECT_LE(fault.offset_bytes, cut.size()) << length;
  }
}

TEST_F(JpegFaults, LeaveRowsAboveTheDamageExact) {
  File cut(good_.begin(), good_.end() - std::ptrdiff_t(good_.size() / 5));
  cut.insert(cut.end(), {0xFF, 0xD9});
  const Reference whole = decode_plainly(good_, 1, JCS_RGB);
  const Roi above{3, 2, 20, 9};
  const auto view = decode(cut, above);
  ASSERT_TRUE(view) << view.error().detail;
  EXPECT_TRUE(equal(*view, whole.pixels.view().crop(above)));
}

TEST_F(JpegFaults, RefuseABombByItsDeclaredSize) {
  File bomb = good_;
  const std::size_t frame = find_marker(bomb, 0xC0);
  std::fill_n(bomb.begin() + std::ptrdiff_t(frame) + 5, 4, std::uint8_t{0xFF});
  EXPECT_EQ(fault_of(bomb).kind, FaultKind::too_large);
  bomb[frame + 5] = bomb[frame + 7] = 0xF0; // 61,695 a side: within libjpeg's own limit.
  EXPECT_EQ(fault_of(bomb).kind, FaultKind::too_large);
  EXPECT_EQ(canvas_.capacity_bytes(), 0u);
}

TEST_F(JpegFaults, RefuseMoreScansThanAllowed) {
  const File file = encode(test_picture({32, 32}, 3, 1), {.progressive = true});
  JpegDecoder strict({.max_scans = 3});
  const auto view = strict.decode(file, {0, 0, 32, 32}, canvas_);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().kind, FaultKind::too_large);
  EXPECT_TRUE(decode(file, {0, 0, 32, 32}));
}

TEST_F(JpegFaults, RefuseCoefficientsBeyondTheMemoryLimit) {
  JpegDecoder strict({.max_library_bytes = 1 << 20});
  const File file = encode(test_picture({800, 800}, 3, 1), {.progressive = true});
  const auto view = strict.decode(file, {0, 0, 8, 8}, canvas_);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().kind, FaultKind::too_large);
}

TEST_F(JpegFaults, NameUnsupportedProcesses) {
  File file = good_;
  const std::size_t frame = find_marker(file, 0xC0);
  file[frame + 4] = 12;
  EXPECT_EQ(fault_of(file).kind, FaultKind::unsupported); // 12 bits a sample.
  file = good_;
  file[frame + 1] = 0xC3;
  EXPECT_EQ(fault_of(file).kind, FaultKind::unsupported); // Lossless.
}

TEST_F(JpegFaults, MissAComponentThatHasNoScan) {
  File file = encode(test_picture({32, 32}, 3, 1), {.separate_scans = true});
  std::size_t last_scan = 0;
  for (std::size_t i = 0; i + 1 < file.size(); ++i)
    if (file[i] == 0xFF && file[i + 1] == 0xDA) last_scan = i;
  file.resize(last_scan);
  file.insert(file.end(), {0xFF, 0xD9});
  EXPECT_THAT(fault_of(file).detail, HasSubstr("no scan"));
}

TEST_F(JpegFaults, CountStrayBytesThatHarmNothing) {
  File file = good_;
  const std::size_t tables = find_marker(file, 0xDB);
  file.insert(file.begin() + std::ptrdiff_t(tables), {1, 2, 3});
  EXPECT_EQ(fault_of(file).detail, "delivered");
  EXPECT_EQ(decoder_.counts().warnings, 1u);
}

TEST_F(JpegFaults, AcceptWhatFollowsTheEndMarker) {
  File file = good_;
  file.insert(file.end(), 100, 0);
  EXPECT_EQ(fault_of(file).detail, "delivered");
}

TEST_F(JpegFaults, IncludeTablesThatOnlyAnEarlierFileHad) {
  File file = good_;
  const std::size_t tables = find_marker(file, 0xDB);
  file.erase(file.begin() + std::ptrdiff_t(tables), file.begin() + std::ptrdiff_t(tables) + 2 + 67);
  EXPECT_EQ(fault_of(good_).detail, "delivered");
  EXPECT_THAT(fault_of(file).detail, HasSubstr("Quantization table 0x00 was not defined"));
}

TEST_F(JpegFaults, DoNotOutliveTheFileTheyAreAbout) {
  File cut(good_.begin(), good_.end() - 40);
  EXPECT_EQ(fault_of(cut).kind, FaultKind::truncated);
  EXPECT_EQ(fault_of(good_).detail, "delivered");
}

/// A few thousand files with some bytes changed, removed or doubled: each is a fault, or the same as the plain loop's
/// pixels without damage. The sanitizers watch.
TEST_F(JpegFaults, OrThePlainLoopsPixelsAreAllThatMutationsGive) {
  constexpr unsigned kSeed = 424242;
  std::mt19937 random(kSeed);
  const File seeds[] = {good_, encode(test_picture({33, 29}, 3, 2), {.progressive = true}),
                        encode(test_picture({40, 24}, 3, 3), {.restart_blocks = 2}),
                        encode(test_picture({24, 40}, 4, 4), {.components = 4, .sampling = {{2, 2}, {1, 1}, {1, 1}, {2, 2}}}),
                        encode(test_picture({30, 30}, 3, 5), {.sampling = {{2, 1}, {1, 1}, {1, 1}}, .arithmetic = true})};
  for (int i = 0; i < 4000; ++i) {
    File file = seeds[random() % std::size(seeds)];
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = 2 + random() % (file.size() - 4);
      switch (random() % 4) {
        case 0: file[at] = std::uint8_t(random()); break;
        case 1: file[at] ^= std::uint8_t(1u << random() % 8); break;
        case 2: file.erase(file.begin() + std::ptrdiff_t(at)); break;
        default: file.insert(file.begin() + std::ptrdiff_t(at), file[at]);
      }
    }
    const auto info = decoder_.header(file);
    if (!info || std::int64_t(info->size.width) * info->size.height > 1'000'000) continue;
    const int left = int(random() % unsigned(info->size.width)), top = int(random() % unsigned(info->size.height));
    const Roi roi{left, top, info->size.width - left, info->size.height - top};
    const auto view = decode(file, roi);
    const Reference plain = decode_plainly(file);
    ASSERT_EQ(view.has_value(), view && plain.complete && !plain.damaged) << "mutation " << i << " of seed " << kSeed;
    const bool comparable = view && plain.pixels.channels == 3;
    ASSERT_TRUE(!comparable || equal(*view, plain.pixels.view().crop(roi))) << "mutation " << i << " of seed " << kSeed;
  }
}

}  // namespace
}  // namespace millrace::test
