// A crop equals decode-then-crop to the bit, whatever the file is made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"

namespace millrace::test {
namespace {

Roi random_crop(Size size, std::mt19937& random) {
  const auto draw = [&](int low, int high) { return low + int(random() % unsigned(high - low + 1)); };
  const int width = random() % 4 == 0 ? draw(1, std::min(size.width, 4)) : draw(1, size.width);
  const int height = random() % 4 == 0 ? draw(1, std::min(size.height, 4)) : draw(1, size.height);
  return {draw(0, size.width - width), draw(0, size.height - height), width, height};
}

/// Decodes `count` random crops and returns the first that differs from the whole picture, or an empty roi.
Roi first_wrong_crop(const File& file, const Pixels& whole, JpegDecoder& decoder, int count, std::mt19937& random) {
  Buffer canvas;
  for (int i = 0; i < count; ++i) {
    const Roi roi = random_crop(whole.size, random);
    const auto view = decoder.decode(file, roi, canvas);
    if (!view || !equal(*view, whole.view().crop(roi))) return roi;
  }
  return {};
}

struct Case {
  std::string name;
  Encoding encoding;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

using Sampling = std::vector<std::pair<int, int>>;

std::vector<Case> cases() {
  const std::vector<std::pair<std::string, Sampling>> samplings = {
      {"444", {{1, 1}, {1, 1}, {1, 1}}}, {"422", {{2, 1}, {1, 1}, {1, 1}}}, {"420", {{2, 2}, {1, 1}, {1, 1}}},
      {"440", {{1, 2}, {1, 1}, {1, 1}}}, {"411", {{4, 1}, {1, 1}, {1, 1}}}, {"410", {{4, 2}, {1, 1}, {1, 1}}},
      {"441", {{1, 4}, {1, 1}, {1, 1}}}, {"h2v4", {{2, 4}, {1, 1}, {1, 1}}}, {"h3v1", {{3, 1}, {1, 1}, {1, 1}}},
      {"444as222", {{2, 1}, {2, 1}, {2, 1}}}, {"mixed", {{2, 2}, {1, 2}, {1, 1}}}, {"lumalow", {{1, 1}, {2, 2}, {1, 1}}}};
  std::vector<Case> list;
  for (const auto& [name, sampling] : samplings) {
    list.push_back({name + "_baseline", {.sampling = sampling}});
    list.push_back({name + "_restart", {.sampling = sampling, .restart_blocks = 3}});
    list.push_back({name + "_progressive", {.sampling = sampling, .progressive = true}});
    list.push_back({name + "_unfinished", {.sampling = sampling, .progressive = true, .last_scan = 3}});
    list.push_back({name + "_scans", {.sampling = sampling, .separate_scans = true}});
    list.push_back({name + "_arithmetic", {.sampling = sampling, .arithmetic = true}});
  }
  list.push_back({"grey", {.components = 1, .sampling = {{1, 1}}}});
  list.push_back({"grey22", {.components = 1, .sampling = {{2, 2}}}});
  list.push_back({"grey_progressive", {.components = 1, .sampling = {{1, 1}}, .progressive = true}});
  return list;
}

class RegionDecode : public testing::TestWithParam<Case> {};

TEST_P(RegionDecode, EqualsDecodeThenCropForRandomCropsOfOddSizes) {
  constexpr unsigned kSeed = 20240607;
  std::mt19937 random(kSeed);
  JpegDecoder decoder({});
  for (const Size size : {Size{1, 1}, {5, 3}, {16, 16}, {17, 33}, {61, 47}, {96, 80}, {131, 101}}) {
    const File file = encode(test_picture(size, GetParam().encoding.components, kSeed), GetParam().encoding);
    const Reference whole = decode_plainly(file, 1, JCS_RGB);
    ASSERT_TRUE(whole.complete);
    const Roi wrong = first_wrong_crop(file, whole.pixels, decoder, 16, random);
    EXPECT_EQ(wrong.width, 0) << size.width << "x" << size.height << " crop " << wrong.width << "x" << wrong.height << "+" << wrong.left
                              << "+" << wrong.top;
  }
}

TEST_P(RegionDecode, EqualsDecodeThenCropWhereTheDctScales) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  for (const int scale : {2, 4, 8}) {
    JpegDecoder decoder({.scale_denominator = scale});
    const File file = encode(test_picture({203, 155}, GetParam().encoding.components, kSeed), GetParam().encoding);
    const Reference whole = decode_plainly(file, scale, JCS_RGB);
    ASSERT_TRUE(whole.complete);
    EXPECT_EQ(decoder.header(file)->size, whole.pixels.size);
    EXPECT_EQ(first_wrong_crop(file, whole.pixels, decoder, 12, random).width, 0) << "scale 1/" << scale;
  }
}

INSTANTIATE_TEST_SUITE_P(, RegionDecode, testing::ValuesIn(cases()), [](const auto& param) { return param.param.name; });

TEST(RegionDecodeOfUsualFiles, NeverFallsBackToTheWholePicture) {
  Buffer canvas;
  for (const auto& sampling : {Sampling{{1, 1}, {1, 1}, {1, 1}}, Sampling{{2, 1}, {1, 1}, {1, 1}}, Sampling{{2, 2}, {1, 1}, {1, 1}}})
    for (const bool progressive : {false, true}) {
      JpegDecoder decoder({});
      const File file = encode(test_picture({90, 70}, 3, 1), {.sampling = sampling, .progressive = progressive});
      ASSERT_TRUE(decoder.decode(file, {33, 20, 10, 10}, canvas));
      EXPECT_EQ(decoder.counts().whole, 0u);
      EXPECT_EQ(decoder.counts().progressive, progressive ? 1u : 0u);
    }
}

TEST(RegionDecodeOfUsualFiles, NeedsNoCanvasLargerThanTheCropAndItsMargins) {
  JpegDecoder decoder({});
  Buffer canvas;
  const File file = encode(test_picture({640, 480}, 3, 1), {});
  ASSERT_TRUE(decoder.decode(file, {300, 200, 100, 100}, canvas));
  EXPECT_LE(canvas.capacity_bytes(), 100u * (100 + 32 + 1 + 21) * 3);
}

}  // namespace
}  // namespace millrace::test
