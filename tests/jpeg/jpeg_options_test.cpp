// Colours, orientation and the decoder's calling conventions.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "jpeg_files.h"
#include "pipeline/exif.h"
#include "pipeline/jpeg.h"
#include "pipeline/jpeg_exif.h"

namespace millrace::test {
namespace {

/// The file with an EXIF segment that says `orientation`, in either byte order.
File with_orientation(File file, int orientation, bool big_endian) {
  std::vector<std::uint8_t> tiff;
  const auto put = [&](unsigned value, int bytes) {
    for (int i = 0; i < bytes; ++i) tiff.push_back(std::uint8_t(value >> 8 * (big_endian ? bytes - 1 - i : i)));
  };
  const char byte_order = big_endian ? 'M' : 'I';
  for (const char c : {'E', 'x', 'i', 'f', '\0', '\0', byte_order, byte_order}) tiff.push_back(std::uint8_t(c));
  put(42, 2), put(8, 4), put(2, 2);                                  // One directory of two entries,
  put(0x010F, 2), put(2, 2), put(3, 4), put(0, 4);                   // a maker's name,
  put(0x0112, 2), put(3, 2), put(1, 4), put(unsigned(orientation), 2), put(0, 2), put(0, 4);
  const std::size_t length = tiff.size() + 2;
  const File marker = {0xFF, 0xE1, std::uint8_t(length >> 8), std::uint8_t(length)};
  file.insert(file.begin() + 2, tiff.begin(), tiff.end());
  file.insert(file.begin() + 2, marker.begin(), marker.end());
  return file;
}

Pixels upright_by_definition(const ImageView& stored, int orientation) {
  const bool transpose = orientation >= 5;
  Pixels out{transpose ? Size{stored.height, stored.width} : stored.size(), stored.channels, {}};
  for (int y = 0; y < out.size.height; ++y)
    for (int x = 0; x < out.size.width; ++x) {
      const int w = stored.width - 1, h = stored.height - 1;
      // Where an upright pixel lies in the file, from EXIF's "0th row, 0th column" table.
      const int from[8][2] = {{x, y}, {w - x, y}, {w - x, h - y}, {x, h - y}, {y, x}, {y, h - x}, {w - y, h - x}, {w - y, x}};
      const auto [column, row] = from[orientation - 1];
      for (int c = 0; c < stored.channels; ++c) out.data.push_back(stored.row(row)[column * stored.channels + c]);
    }
  return out;
}

class ExifOrientation : public testing::TestWithParam<int> {};

TEST_P(ExifOrientation, TurnsPicturesAndCropsOfThem) {
  const File file = with_orientation(encode(test_picture({53, 38}, 3, 9), {}), GetParam(), GetParam() % 2 == 0);
  const Pixels expected = upright_by_definition(decode_plainly(file, 1, JCS_RGB).pixels.view(), GetParam());
  JpegDecoder decoder({.apply_exif_orientation = true});
  Buffer canvas;
  EXPECT_EQ(decoder.header(file)->size, expected.size);
  for (const Roi& roi : {Roi{0, 0, expected.size.width, expected.size.height}, Roi{3, 5, 11, 17}, Roi{20, 1, 9, 2}})
    EXPECT_TRUE(equal(*decoder.decode(file, roi, canvas), expected.view().crop(roi)));
}

TEST_P(ExifOrientation, IsIgnoredUnlessAskedFor) {
  const File file = with_orientation(encode(test_picture({53, 38}, 3, 9), {}), GetParam(), true);
  JpegDecoder decoder({});
  EXPECT_EQ(decoder.header(file)->size, (Size{53, 38}));
}

INSTANTIATE_TEST_SUITE_P(, ExifOrientation, testing::Range(1, 9));

TEST(ExifParser, TakesMalformedSegmentsAsUpright) {
  const File good = with_orientation(encode(test_picture({8, 8}, 3, 1), {}), 6, true);
  ASSERT_EQ(exif_orientation(good), 6);
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    File file(good.begin(), good.begin() + std::ptrdiff_t(random() % 80));
    for (unsigned n = random() % 4; n > 0 && !file.empty(); --n) file[random() % file.size()] = std::uint8_t(random());
    const int orientation = exif_orientation(File(file)); // A copy of its exact size: reads beyond it are seen by the sanitizer.
    EXPECT_TRUE(orientation >= 1 && orientation <= 8);
  }
  EXPECT_EQ(exif_orientation(with_orientation(good, 9, false)), 1);
}

/// A TIFF block of one directory entry: the orientation, as `count` values of a type whose bytes are given.
std::vector<std::uint8_t> orientation_entry(std::uint8_t type, std::uint8_t count, std::vector<std::uint8_t> values) {
  std::vector<std::uint8_t> block = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, type, 0, count, 0, 0, 0};
  constexpr std::uint8_t kBehind = 26;
  const bool inside = values.size() <= 4;
  if (inside) values.resize(4);
  else block.insert(block.end(), {kBehind, 0, 0, 0});
  if (inside) block.insert(block.end(), values.begin(), values.end());
  block.insert(block.end(), 4, 0);
  if (!inside) block.insert(block.end(), values.begin(), values.end());
  return block;
}

TEST(ExifParser, TakesEachTypeOfNumberAsPillowDoes) {
  EXPECT_EQ(tiff_orientation(orientation_entry(3, 1, {6, 0})), 6) << "SHORT";
  EXPECT_EQ(tiff_orientation(orientation_entry(3, 2, {6, 0, 1, 0})), 6) << "the first of two";
  EXPECT_EQ(tiff_orientation(orientation_entry(4, 1, {6, 0, 0, 0})), 6) << "LONG";
  EXPECT_EQ(tiff_orientation(orientation_entry(4, 2, {6, 0, 0, 0, 3, 0, 0, 0})), 6) << "two LONG, behind the directory";
  EXPECT_EQ(tiff_orientation(orientation_entry(6, 1, {6})), 6) << "SBYTE";
  EXPECT_EQ(tiff_orientation(orientation_entry(8, 1, {6, 0})), 6) << "SSHORT";
  EXPECT_EQ(tiff_orientation(orientation_entry(9, 1, {6, 0, 0, 0})), 6) << "SLONG";
  EXPECT_EQ(tiff_orientation(orientation_entry(5, 1, {12, 0, 0, 0, 2, 0, 0, 0})), 6) << "RATIONAL";
  EXPECT_EQ(tiff_orientation(orientation_entry(10, 1, {0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})), 6) << "SRATIONAL, -6 / -1";
  EXPECT_EQ(tiff_orientation(orientation_entry(11, 1, {0, 0, 0xc0, 0x40})), 6) << "FLOAT";
  EXPECT_EQ(tiff_orientation(orientation_entry(5, 1, {13, 0, 0, 0, 2, 0, 0, 0})), 1) << "6.5";
  EXPECT_EQ(tiff_orientation(orientation_entry(5, 1, {6, 0, 0, 0, 0, 0, 0, 0})), 1) << "6 / 0";
  EXPECT_EQ(tiff_orientation(orientation_entry(1, 1, {6})), 1) << "BYTE is no number to Pillow";
  EXPECT_EQ(tiff_orientation(orientation_entry(2, 2, {'6', 0})), 1) << "nor is ASCII";
  EXPECT_EQ(tiff_orientation(orientation_entry(99, 1, {6, 0})), std::nullopt) << "an unknown type: as if it were not there";
}

TEST(ExifParser, AsksXmpWhereExifDoesNotSay) {
  const auto xmp = [](const std::string& text) { return xmp_orientation({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}); };
  EXPECT_EQ(xmp("<rdf:Description tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(xmp("<tiff:Orientation>8</tiff:Orientation>"), 8);
  EXPECT_EQ(xmp("tiff:Orientation tiff:Orientation=\"9\""), 1);
  EXPECT_EQ(xmp("tiff:Orientation=\""), std::nullopt);
  EXPECT_EQ(xmp(""), std::nullopt);
  EXPECT_EQ(orientation_of(1, 6), 1);
  EXPECT_EQ(orientation_of({}, 6), 6);
  EXPECT_EQ(orientation_of({}, {}), 1);
}

TEST(ExifParser, TakesAnyBytesForATiffBlock) {
  const auto good = orientation_entry(4, 2, {6, 0, 0, 0, 3, 0, 0, 0});
  std::mt19937 random(4);
  for (int i = 0; i < 50000; ++i) {
    std::vector<std::uint8_t> block(good.begin(), good.begin() + std::ptrdiff_t(random() % (good.size() + 1)));
    for (unsigned n = random() % 4; n > 0 && !block.empty(); --n) block[random() % block.size()] = std::uint8_t(random());
    const std::optional<int> found = tiff_orientation(std::vector<std::uint8_t>(block)); // Of its exact size: the sanitizer sees reads beyond it.
    EXPECT_TRUE(!found || (*found >= 1 && *found <= 8));
  }
}

TEST(JpegColours, ReplicateGreyWhereRgbIsAskedFor) {
  const File file = encode(test_picture({20, 10}, 1, 1), {.components = 1, .sampling = {{1, 1}}});
  const Pixels grey = decode_plainly(file).pixels;
  JpegDecoder decoder({});
  Buffer canvas;
  const ImageView view = *decoder.decode(file, {4, 3, 9, 5}, canvas);
  ASSERT_EQ(view.channels, 3);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(view.row(2)[3 * 7 + c], grey.view().row(5)[11]);
}

TEST(JpegColours, GiveGreyByPillowsFormula) {
  const File file = encode(test_picture({20, 10}, 3, 1), {});
  const Pixels kept = decode_plainly(file).pixels;
  JpegDecoder decoder({.channels = 1});
  Buffer canvas;
  EXPECT_EQ(decoder.header(file)->channels, 1);
  const ImageView view = *decoder.decode(file, {0, 0, 20, 10}, canvas);
  const std::uint8_t* p = kept.view().row(6) + 3 * 13;
  EXPECT_EQ(view.row(6)[13], (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
}

TEST(JpegColours, ConvertCmykAndYcckCropsAsWholePictures) {
  for (const auto& luma : {std::pair{1, 1}, std::pair{2, 2}}) {
    const File file = encode(test_picture({45, 37}, 4, 6), {.components = 4, .sampling = {luma, {1, 1}, {1, 1}, luma}});
    const Pixels ink = decode_plainly(file, 1, JCS_CMYK).pixels;
    JpegDecoder decoder({});
    Buffer canvas;
    const Roi roi{9, 11, 30, 20};
    const ImageView view = *decoder.decode(file, roi, canvas);
    for (int y = 0; y < roi.height; ++y)
      for (int x = 0; x < roi.width; ++x) {
        const std::uint8_t* p = ink.view().row(y + roi.top) + 4 * (x + roi.left);
        for (int c = 0; c < 3; ++c) {
          const int light = p[3], product = (255 - p[c]) * light; // Pillow: 255 - K - round(C (255 - K) / 255) of the inverted inks.
          ASSERT_EQ(view.row(y)[3 * x + c], light - (2 * product + 255) / 510);
        }
      }
  }
}

TEST(JpegDecoderCalls, MayRepeatOrSkipTheHeader) {
  const File a = encode(test_picture({30, 20}, 3, 1), {}), b = encode(test_picture({40, 30}, 3, 2), {});
  JpegDecoder decoder({});
  Buffer canvas;
  const Roi roi{2, 3, 20, 10};
  const auto expect_exact = [&](const File& file) {
    const Pixels whole = decode_plainly(file).pixels;
    EXPECT_TRUE(equal(*decoder.decode(file, roi, canvas), whole.view().crop(roi)));
  };
  expect_exact(a);
  expect_exact(a);
  ASSERT_TRUE(decoder.header(a));
  expect_exact(b);
  EXPECT_EQ(decoder.counts().decoded, 3u);
}

TEST(JpegDecoderCalls, RefuseOptionsThatJpegDoesNotHave) {
  EXPECT_THROW(make_jpeg_decoder({.channels = 4}), Error);
  EXPECT_THROW(make_jpeg_decoder({.scale_denominator = 3}), Error);
}

TEST(JpegDecoderCallsDeathTest, AbortOnARoiOutsideThePicture) {
  const File file = encode(test_picture({30, 20}, 3, 1), {});
  JpegDecoder decoder({});
  Buffer canvas;
  EXPECT_DEATH((void)decoder.decode(file, {20, 0, 11, 5}, canvas), "roi must lie inside");
}

}  // namespace
}  // namespace millrace::test
