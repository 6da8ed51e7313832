// The odd and broken files of data/odd-jpegs: never a crash, never grey in silence, and Pillow's pixels where Pillow has any.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <map>
#include <sstream>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"

namespace millrace::test {
namespace {

std::uint32_t checksum(const ImageView& view) {
  uLong crc = crc32(0, nullptr, 0);
  for (int y = 0; y < view.height; ++y) crc = crc32(crc, view.row(y), uInt(view.width * view.channels));
  return std::uint32_t(crc);
}

struct Pillow {
  Size size;
  std::uint32_t rgb = 0, grey = 0;
};

class OddJpegs : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = data_folder() / "odd-jpegs";
    if (!std::filesystem::exists(folder_ / "index.tsv")) GTEST_SKIP() << "no odd-jpegs in " << data_folder() << ": set MILLRACE_DATA";
    std::ifstream index(folder_ / "index.tsv"), pillow(std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/jpeg/pillow_pixels.tsv");
    std::string line;
    for (std::getline(index, line); std::getline(index, line);) files_.push_back(line.substr(0, line.find('\t')));
    while (std::getline(pillow, line)) {
      std::istringstream fields(line);
      std::string name;
      Pillow entry;
      if (line[0] == '#') continue;
      if (fields >> name >> entry.size.width >> entry.size.height >> std::hex >> entry.rgb >> entry.grey) pillow_[name] = entry;
    }
  }
  Expected<ImageView> decode_whole(JpegDecoder& decoder, const File& file) {
    const auto info = decoder.header(file);
    if (!info) return tl::unexpected(info.error());
    return decoder.decode(file, {0, 0, info->size.width, info->size.height}, canvas_);
  }

  std::filesystem::path folder_;
  std::vector<std::string> files_;
  std::map<std::string, Pillow> pillow_;
  Buffer canvas_;
};

TEST_F(OddJpegs, AreDeliveredExactlyWhereThePlainLoopSeesNoDamage) {
  JpegDecoder decoder({});
  for (const std::string& name : files_) {
    const File file = read_file(folder_ / name);
    const Expected<ImageView> view = decode_whole(decoder, file);
    const Reference plain = decode_plainly(file);
    const std::string text = view ? "delivered" : view.error().detail;
    EXPECT_FALSE(view && (!plain.complete || plain.damaged)) << name;
    EXPECT_FALSE(!view && view.error().detail.empty()) << name;
    const bool excused = !view && (text.find("end-of-image") != text.npos || text.find("no scan") != text.npos);
    EXPECT_FALSE(!view && plain.complete && !plain.damaged && !excused) << name << ": " << text;
  }
}

TEST_F(OddJpegs, HavePillowsPixelsInColourAndGrey) {
  JpegDecoder colour({}), grey({.channels = 1});
  int compared = 0;
  for (const auto& [name, pillow] : pillow_) {
    const File file = read_file(folder_ / name);
    const auto rgb = decode_whole(colour, file);
    if (!rgb) continue;
    ++compared;
    EXPECT_EQ(rgb->size(), pillow.size) << name;
    EXPECT_EQ(checksum(*rgb), pillow.rgb) << name;
    EXPECT_EQ(checksum(*decode_whole(grey, file)), pillow.grey) << name;
  }
  EXPECT_EQ(compared, 181); // Of Pillow's 208; the others have lost data, no end marker, or are lossless.
}

TEST_F(OddJpegs, GiveTheSameCropsAsTheirWholePictures) {
  std::mt19937 random(5);
  JpegDecoder decoder({});
  Buffer crop_canvas;
  for (const auto& [name, pillow] : pillow_) {
    const File file = read_file(folder_ / name);
    const auto whole = decode_whole(decoder, file);
    if (!whole) continue;
    for (int i = 0; i < 4; ++i) {
      const int left = int(random() % unsigned(whole->width)), top = int(random() % unsigned(whole->height));
      const Roi roi{left, top, 1 + int(random() % unsigned(whole->width - left)), 1 + int(random() % unsigned(whole->height - top))};
      const auto crop = decoder.decode(file, roi, crop_canvas);
      ASSERT_TRUE(crop) << name << ": " << crop.error().detail;
      EXPECT_TRUE(equal(*crop, whole->crop(roi))) << name;
    }
  }
}

TEST(Photographs, GiveTheSameCropsAsTheirWholePictures) {
  const auto folder = data_folder() / "imagenet-sample";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no imagenet-sample in " << data_folder() << ": set MILLRACE_DATA";
  std::mt19937 random(11);
  JpegDecoder decoder({});
  Buffer canvas;
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".JPEG" || ++seen % 8 != 0) continue;
    const File file = read_file(entry.path());
    const Reference whole = decode_plainly(file, 1, JCS_RGB);
    ASSERT_TRUE(whole.complete) << entry.path();
    const Size size = whole.pixels.size;
    for (int i = 0; i < 4; ++i) {
      const int left = int(random() % unsigned(size.width)), top = int(random() % unsigned(size.height));
      const Roi roi{left, top, 1 + int(random() % unsigned(size.width - left)), 1 + int(random() % unsigned(size.height - top))};
      const auto crop = decoder.decode(file, roi, canvas);
      EXPECT_TRUE(crop && equal(*crop, whole.pixels.view().crop(roi))) << entry.path();
    }
  }
}

TEST_F(OddJpegs, StandUprightByTheirExifOrientation) {
  for (const std::string shape : {"Landscape", "Portrait"}) {
    JpegDecoder decoder({.apply_exif_orientation = true});
    Buffer first_canvas;
    const File upright = read_file(folder_ / "exif-orientation-examples" / (shape + "_1.jpg"));
    const auto size = decoder.header(upright)->size;
    const ImageView first = *decoder.decode(upright, {0, 0, size.width, size.height}, first_canvas);
    for (int k = 2; k <= 8; ++k) {
      const File turned = read_file(folder_ / "exif-orientation-examples" / (shape + "_" + std::to_string(k) + ".jpg"));
      const auto view = decode_whole(decoder, turned);
      ASSERT_TRUE(view && view->size() == first.size()) << shape << k;
      double difference = 0; // The files were encoded apart: alike, not equal.
      for (int y = 0; y < first.height; ++y)
        for (int x = 0; x < 3 * first.width; ++x) difference += std::abs(view->row(y)[x] - first.row(y)[x]);
      EXPECT_LT(difference / (3.0 * first.width * first.height), 8.0) << shape << k;
    }
  }
}

}  // namespace
}  // namespace millrace::test
