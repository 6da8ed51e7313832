#include "augment/cv_decoder.h"

#include <cstring>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgcodecs.hpp>

#include "augment/enhance.h"
#include "augment/image_header.h"

namespace millrace::augment {
namespace {

tl::unexpected<Fault> corrupt(std::string detail) {
  return tl::make_unexpected(Fault{.kind = FaultKind::corrupt, .detail = std::move(detail)});
}

class CvDecoder final : public Decoder {
 public:
  explicit CvDecoder(const CvDecoderOptions& options) : options_(options) {
    if (options.channels != 1 && options.channels != 3)
      throw Error(ErrorKind::usage, "decoded pictures have 1 or 3 channels, not " + std::to_string(options.channels));
    // Parallelism belongs to the pipeline. Once: it ends OpenCV's arena, and two workers that did so at a time crashed.
    static const bool once = (cv::setNumThreads(1), true);
    static_cast<void>(once);
  }

  Expected<ImageInfo> header(std::span<const std::uint8_t> bytes) override {
    const auto header = read_image_header(bytes, options_.max_pixels);
    if (!header) return tl::make_unexpected(header.error());
    return ImageInfo{header->size, options_.channels, false};
  }

  Expected<ImageView> decode(std::span<const std::uint8_t> bytes, const Roi& roi, Buffer& canvas) override {
    const auto info = header(bytes);
    if (!info) return tl::make_unexpected(info.error());
    cv::Mat whole;
    try {
      const cv::Mat file(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(bytes.data()));
      whole = cv::imdecode(file, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    } catch (const cv::Exception& e) {
      return corrupt("OpenCV: " + e.err);
    }
    if (whole.empty()) return corrupt("OpenCV cannot decode it");
    if (whole.type() != CV_8UC3 || whole.cols != info->size.width || whole.rows != info->size.height)
      return corrupt("the decoded picture is " + std::to_string(whole.cols) + " x " + std::to_string(whole.rows) + ", the header says " +
                     std::to_string(info->size.width) + " x " + std::to_string(info->size.height));
    return copy(whole, roi, canvas);
  }

 private:
  // The crop, as RGB or grey.
  ImageView copy(const cv::Mat& bgr, const Roi& roi, Buffer& canvas) const {
    const std::size_t rgb_bytes = static_cast<std::size_t>(roi.width) * static_cast<std::size_t>(roi.height) * 3;
    const MutableImageView rgb{canvas.reserve(rgb_bytes), roi.width, roi.height, 3, roi.width * 3};
    for (int y = 0; y < roi.height; ++y) {
      const std::uint8_t* from = bgr.ptr<std::uint8_t>(roi.top + y) + 3 * roi.left;
      std::uint8_t* to = rgb.row(y);
      for (int x = 0; x < 3 * roi.width; x += 3) {
        to[x] = from[x + 2];
        to[x + 1] = from[x + 1];
        to[x + 2] = from[x];
      }
    }
    if (options_.channels == 3) return rgb;
    // Grey values may overwrite the pixels that they were made from: each lies at or before its pixel.
    const MutableImageView grey{rgb.data, roi.width, roi.height, 1, roi.width};
    luma(rgb, grey);
    return grey;
  }

  CvDecoderOptions options_;
};

class ImageDecoder final : public Decoder {
 public:
  explicit ImageDecoder(const JpegOptions& options)
      : jpeg_(make_jpeg_decoder(options)), other_(make_cv_decoder({.channels = options.channels, .max_pixels = options.max_pixels})) {}
  Expected<ImageInfo> header(std::span<const std::uint8_t> bytes) override { return of(bytes).header(bytes); }
  Expected<ImageView> decode(std::span<const std::uint8_t> bytes, const Roi& roi, Buffer& canvas) override {
    return of(bytes).decode(bytes, roi, canvas);
  }

 private:
  // Whatever is not one of the other formats is JPEG's to judge; its messages are the better ones.
  Decoder& of(std::span<const std::uint8_t> bytes) {
    const auto begins = [&](const char* text, std::size_t n) { return bytes.size() >= n && std::memcmp(bytes.data(), text, n) == 0; };
    return begins("\x89PNG", 4) || begins("BM", 2) || begins("RIFF", 4) ? *other_ : *jpeg_;
  }
  std::unique_ptr<Decoder> jpeg_, other_;
};

}  // namespace

std::unique_ptr<Decoder> make_cv_decoder(const CvDecoderOptions& options) { return std::make_unique<CvDecoder>(options); }
std::unique_ptr<Decoder> make_image_decoder(const JpegOptions& options) { return std::make_unique<ImageDecoder>(options); }

}  // namespace millrace::augment
