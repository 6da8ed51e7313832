// What files are by their first bytes, and what names promise.
#include "pipeline/formats/file_format.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace millrace {
namespace {

using namespace std::string_literals;

std::string name_of(const std::string& bytes) {
  return file_format({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}).name;
}
ImageFormat decoder_of(const std::string& bytes) {
  return file_format({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}).decoder;
}

TEST(FileFormat, KnowsWhatIsDecoded) {
  EXPECT_EQ(decoder_of("\xff\xd8\xff\xe0"), ImageFormat::jpeg);
  EXPECT_EQ(decoder_of("\x89PNG\r\n\x1a\n"), ImageFormat::png);
  EXPECT_EQ(decoder_of("RIFF\4\0\0\0WEBPVP8 "s), ImageFormat::webp);
  EXPECT_EQ(decoder_of("BM\0\0"s), ImageFormat::bmp);
}

TEST(FileFormat, NamesPicturesOfOtherFormats) {
  EXPECT_EQ(name_of("GIF89a\1\0\1\0"s), "a GIF file");
  EXPECT_EQ(name_of("II*\0\x08\0\0\0"s), "a TIFF file");
  EXPECT_EQ(name_of("MM\0*\0\0\0\x08"s), "a TIFF file");
  EXPECT_EQ(name_of("\0\0\0\x1c"s + "ftypavif\0\0\0\0avifmif1"s), "an AVIF file");
  EXPECT_EQ(name_of("\0\0\0\x1c"s + "ftypmif1\0\0\0\0mif1avif"s), "an AVIF file") << "named among the compatible brands alone";
  EXPECT_EQ(name_of("\0\0\0\x18"s + "ftypheic\0\0\0\0mif1heic"s), "a HEIC file");
  EXPECT_EQ(name_of("\0\0\0\x18"s + "ftypisom\0\0\0\0isommp41"s), "an MP4 or QuickTime file");
  EXPECT_EQ(name_of("\xff\x0a\x00"s), "a JPEG XL file");
  EXPECT_EQ(name_of("\0\0\0\x0cjP  \r\n\x87\n"s), "a JPEG 2000 file");
  EXPECT_EQ(name_of("P6\n2 2\n255\n"), "a PPM file");
  EXPECT_EQ(name_of("P5 2 2 255 "), "a PGM file");
  EXPECT_EQ(name_of("RIFF\4\0\0\0WAVEfmt "s), "a RIFF file of type 'WAVE'");
}

TEST(FileFormat, NamesWhatIsNoPictureUnderAPicturesName) {
  EXPECT_EQ(name_of("\n <!DOCTYPE html><html>404"), "an HTML page");
  EXPECT_EQ(name_of("<HTML>"), "an HTML page");
  EXPECT_EQ(name_of("<?xml version=\"1.0\"?><Error>"), "an XML text");
  EXPECT_EQ(name_of("<?xml version=\"1.0\"?><svg>"), "an SVG drawing");
  EXPECT_NE(name_of("version https://git-lfs.github.com/spec/v1\noid sha256:0").find("a Git LFS pointer"), std::string::npos);
  EXPECT_NE(name_of("\0\x05\x16\x07\0\2\0\0Mac OS X"s).find("an AppleDouble file"), std::string::npos);
  EXPECT_EQ(name_of("\x1f\x8b\x08"), "a gzip file");
  EXPECT_EQ(name_of("PK\3\4"), "a zip file");
}

TEST(FileFormat, SaysNothingOfOtherBytes) {
  EXPECT_EQ(name_of(""), "");
  EXPECT_EQ(name_of("P"), "");
  EXPECT_EQ(name_of("Pictures"), "");
  EXPECT_EQ(name_of(std::string(600, '\0')), "");
}

TEST(FileFormat, TakesAnyBytes) {
  std::mt19937 random(1);
  const std::string starts[] = {"", "RIFF", "\0\0\xff\xff"s + "ftyp", "<?xml", "P3", "\xef\xbb\xbf", "version https"};
  for (int i = 0; i < 50'000; ++i) {
    std::string text = starts[random() % std::size(starts)];
    for (unsigned n = random() % 40; n > 0; --n) text += static_cast<char>(random());
    const std::vector<std::uint8_t> exact(text.begin(), text.end());  // Reads beyond it are seen by the sanitizer.
    static_cast<void>(file_format(exact));
  }
}

TEST(Endings, AreToldInAnyCase) {
  for (const char* name : {"a.jpg", "A.JPEG", "b.Png", "c.webp", ".bmp"}) EXPECT_TRUE(is_decoded_ending(name)) << name;
  for (const char* name : {"a.tif", "jpg", "a.jpg.gz", ""}) EXPECT_FALSE(is_decoded_ending(name)) << name;
  EXPECT_EQ(other_picture_ending("IMG_1.HEIC"), ".heic");
  EXPECT_EQ(other_picture_ending("x.tiff"), ".tiff");
  EXPECT_EQ(other_picture_ending(".DS_Store"), "");
  EXPECT_EQ(other_picture_ending("a.jpg"), "");
}

}  // namespace
}  // namespace millrace
