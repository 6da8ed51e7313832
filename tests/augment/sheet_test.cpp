#include "augment/sheet.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/formats/image_decoder.h"

namespace millrace::augment {
namespace {

const std::vector<std::uint8_t> kBlack(8 * 4 * 3, 0);

SheetCell picture(const std::string& text = {}) { return {{kBlack.data(), 8, 4, 3, 24}, "heading", text}; }

Size size_of(const std::vector<std::vector<SheetCell>>& rows) {
  const auto png = draw_sheet(rows, {.title = "title", .side = 64});
  return make_image_decoder()->header(png)->size;
}

TEST(Sheet, IsAsWideAsItsLongestRow) {
  EXPECT_EQ(size_of({{picture()}, {picture(), picture(), picture()}}).width, size_of({{picture(), picture(), picture()}}).width);
  EXPECT_GT(size_of({{picture(), picture()}}).width, size_of({{picture()}}).width);
}

TEST(Sheet, LongCaptionsTakeMoreLines) {
  EXPECT_GT(size_of({{picture("a caption of many words that cannot stand on one line")}}).height, size_of({{picture("word")}}).height);
  EXPECT_GT(size_of({{picture(std::string(200, 'x'))}}).height, size_of({{picture("x")}}).height);
}

TEST(Sheet, ACellWithoutAPictureHoldsItsText) {
  const SheetCell fault{{}, "bad.jpg", "truncated at byte 17: \xff\n" + std::string(300, 'y')};
  EXPECT_GT(size_of({{fault}}).height, size_of({{picture()}}).height);
}

TEST(Sheet, EmptyRowsAndTextsAreDrawnToo) {
  EXPECT_GT(size_of({}).width, 0);
  EXPECT_GT(size_of({{}, {SheetCell{}}}).height, 0);
}

TEST(Sheet, TooLargeASheetIsRefused) { EXPECT_THROW(draw_sheet({std::vector<SheetCell>(1000, picture())}, {}), Error); }

}  // namespace
}  // namespace millrace::augment
