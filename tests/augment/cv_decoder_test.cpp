// PNG, WebP and BMP: pixels, crops, and what is refused. Files are made here by OpenCV's encoders.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include <opencv2/imgcodecs.hpp>

#include "augment/cv_decoder.h"
#include "augment/enhance.h"

namespace millrace::augment {
namespace {

using Bytes = std::vector<std::uint8_t>;

cv::Mat gradient(int type) {
  cv::Mat m(13, 21, type);
  for (int y = 0; y < m.rows; ++y)
    for (int x = 0; x < m.cols * m.channels(); ++x) {
      if (m.depth() == CV_16U)
        m.ptr<std::uint16_t>(y)[x] = static_cast<std::uint16_t>(x * 977 + y * 3001);
      else
        m.ptr<std::uint8_t>(y)[x] = static_cast<std::uint8_t>(x * 7 + y * 11);
    }
  return m;
}

Bytes encode(const char* extension, const cv::Mat& m) {
  Bytes bytes;
  std::vector<int> options;
  if (std::strcmp(extension, ".webp") == 0) options = {cv::IMWRITE_WEBP_QUALITY, 101};  // Above 100: lossless.
  EXPECT_TRUE(cv::imencode(extension, m, bytes, options));
  return bytes;
}

class CvDecoder : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Decoder> decoder = make_image_decoder();
  Buffer canvas;
};

TEST_P(CvDecoder, PixelsAreRgbAndCropsAreExact) {
  const cv::Mat m = gradient(CV_8UC3);
  const Bytes file = encode(GetParam(), m);
  const auto info = decoder->header(file);
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->size, (Size{21, 13}));
  for (const Roi& roi : {Roi{0, 0, 21, 13}, Roi{5, 2, 9, 10}, Roi{20, 12, 1, 1}}) {
    const auto view = decoder->decode(file, roi, canvas);
    ASSERT_TRUE(view) << view.error().detail;
    for (int y = 0; y < roi.height; ++y)
      for (int x = 0; x < roi.width; ++x)
        for (int c = 0; c < 3; ++c) ASSERT_EQ(view->row(y)[3 * x + c], m.ptr<std::uint8_t>(roi.top + y)[3 * (roi.left + x) + 2 - c]);
  }
}

TEST_P(CvDecoder, EveryTruncationIsAFault) {
  const Bytes file = encode(GetParam(), gradient(CV_8UC3));
  for (std::size_t n = 0; n < file.size(); ++n) {
    const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n));
    const auto info = decoder->header(cut);
    EXPECT_FALSE(info && decoder->decode(cut, {0, 0, 21, 13}, canvas)) << n << " of " << file.size() << " bytes";
  }
}

TEST_P(CvDecoder, HeadersOfAnyBytesAreReadOrRefused) {
  Bytes file = encode(GetParam(), gradient(CV_8UC3));
  for (std::size_t at = 0; at < std::min<std::size_t>(file.size(), 64); ++at)
    for (const int value : {0, 1, 127, 255}) {
      Bytes spoilt = file;
      spoilt[at] = static_cast<std::uint8_t>(value);
      const auto info = decoder->header(spoilt);
      EXPECT_TRUE(!info || std::int64_t{info->size.width} * info->size.height <= 64'000'000);
    }
}

TEST(CvDecoders, AreMadeByManyThreadsAtATime) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) threads.emplace_back([] { EXPECT_TRUE(make_cv_decoder({.channels = 3})); });
    for (std::thread& thread : threads) thread.join();
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CvDecoder, testing::Values(".png", ".bmp", ".webp"),
                         [](const auto& param) { return std::string(param.param + 1); });

TEST(PngDecoder, AlphaIsDroppedWithoutCompositing) {
  const cv::Mat m = gradient(CV_8UC4);
  Buffer canvas;
  const auto view = make_cv_decoder()->decode(encode(".png", m), {0, 0, 21, 13}, canvas);
  ASSERT_TRUE(view);
  for (int x = 0; x < 21; ++x) EXPECT_EQ(view->row(5)[3 * x], m.ptr<std::uint8_t>(5)[4 * x + 2]);
}

TEST(PngDecoder, GreyIsReplicatedOrKept) {
  const cv::Mat m = gradient(CV_8UC1);
  Buffer canvas;
  const auto rgb = make_cv_decoder()->decode(encode(".png", m), {1, 1, 20, 12}, canvas);
  ASSERT_TRUE(rgb);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(rgb->row(3)[6 + c], m.ptr<std::uint8_t>(4)[3]);
  const auto grey = make_cv_decoder({.channels = 1})->decode(encode(".png", m), {0, 0, 21, 13}, canvas);
  ASSERT_TRUE(grey);
  for (int y = 0; y < 13; ++y) EXPECT_EQ(std::memcmp(grey->row(y), m.ptr<std::uint8_t>(y), 21), 0);
}

TEST(PngDecoder, SixteenBitColourGivesTheHighByteAndSixteenBitGreyIsRefused) {
  const cv::Mat m = gradient(CV_16UC3);
  Buffer canvas;
  const auto view = make_cv_decoder()->decode(encode(".png", m), {0, 0, 21, 13}, canvas);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->row(7)[30], m.ptr<std::uint16_t>(7)[32] >> 8);
  const auto grey = make_cv_decoder()->header(encode(".png", gradient(CV_16UC1)));
  ASSERT_FALSE(grey);
  EXPECT_EQ(grey.error().kind, FaultKind::unsupported);
}

TEST(PngDecoder, ADeclaredSizeAboveTheLimitIsRefusedUnread) {
  Bytes file = encode(".png", gradient(CV_8UC3));
  file[16] = 0x7f;
  const auto info = make_cv_decoder()->header(file);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().kind, FaultKind::too_large);
}

TEST(ImageDecoder, JpegGoesToTheJpegDecoder) {
  Buffer canvas;
  const auto decoder = make_image_decoder();
  const Bytes file = encode(".jpg", gradient(CV_8UC3));
  ASSERT_TRUE(decoder->header(file));
  EXPECT_TRUE(decoder->decode(file, {2, 2, 8, 8}, canvas));
  EXPECT_FALSE(decoder->header(Bytes{1, 2, 3, 4}));
}

}  // namespace
}  // namespace millrace::augment
