#include "pipeline/formats/image_decoder.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "pipeline/contract.h"
#include "pipeline/decode_memory.h"
#include "pipeline/formats/file_format.h"
#include "pipeline/formats/reader.h"
#include "pipeline/jpeg.h"
#include "pipeline/jpeg_color.h"
#include "pipeline/jpeg_exif.h"
#include "pipeline/release_large.h"

namespace millrace {
namespace {

std::string megapixels(std::int64_t pixels) {
  const std::int64_t tenths = (pixels + 50'000) / 100'000;
  std::string text = std::to_string(tenths / 10);
  if (tenths % 10) text.append(".").append(std::to_string(tenths % 10));
  return text;
}

/// A format's reader with what all of them need: limits, orientation, grey.
class FormatDecoder final : public Decoder, public DecodeMemory {
 public:
  FormatDecoder(std::unique_ptr<FormatReader> reader, const ImageDecoderOptions& options) : reader_(std::move(reader)), options_(options) {}

  Expected<ImageInfo> header(FileBytes bytes) override {
    opened_ = {};
    const Expected<StoredPicture> picture = reader_->open(bytes, options_.apply_exif_orientation);
    if (!picture) return tl::make_unexpected(picture.error());
    const auto [width, height, orientation, decode_bytes] = *picture;
    const std::string size = std::to_string(width) + " x " + std::to_string(height);
    if (width < 1 || height < 1) return refuse(FaultKind::corrupt, 0, "a picture of " + size);
    // Sides and pixels are ints from here on, and BMP's reader has not looked at larger ones.
    const std::int64_t limit = std::min<std::int64_t>(options_.max_pixels, std::numeric_limits<int>::max());
    if (width > limit || height > limit / width)
      return refuse(FaultKind::too_large, 0, "the picture is declared as " + size + " pixels; the limit is " + megapixels(limit) + " megapixels (data.max_megapixels)");
    stored_ = {static_cast<int>(width), static_cast<int>(height)};
    orientation_ = Orientation::from_exif(orientation);
    opened_ = bytes;
    decode_bytes_ = decode_bytes + (orientation_.identity() ? 0 : static_cast<std::uint64_t>(width * height) * 3);
    return ImageInfo{orientation_.upright(stored_), options_.channels};
  }
  std::uint64_t decode_bytes() const override { return decode_bytes_; }

  Expected<ImageView> decode(FileBytes bytes, const Roi& roi, Buffer& canvas) override {
    if (opened_.data() != bytes.data() || opened_.size() != bytes.size()) {
      const Expected<ImageInfo> info = header(bytes);
      if (!info) return tl::make_unexpected(info.error());
    }
    opened_ = {};
    const Size size = orientation_.upright(stored_);
    contract(roi.left >= 0 && roi.top >= 0 && roi.width > 0 && roi.height > 0 && roi.width <= size.width - roi.left && roi.height <= size.height - roi.top,
             "the roi must lie inside the picture");
    if (orientation_.identity()) {
      const Expected<ImageView> rgb = reader_->read(roi, canvas);
      return rgb && options_.channels == 1 ? Expected<ImageView>(to_grey(*rgb)) : rgb;
    }
    const Expected<ImageView> stored = reader_->read(orientation_.stored(roi, stored_), upended_);
    if (!stored) return stored;
    const MutableImageView upright = rgb_canvas(canvas, roi.width, roi.height);
    orientation_.apply(*stored, upright);
    release_large(upended_);
    return options_.channels == 1 ? to_grey(upright) : ImageView(upright);
  }

 private:
  /// In place: the reader's view lies in a canvas of ours.
  static ImageView to_grey(const ImageView& rgb) {
    for (int y = 0; y < rgb.height; ++y) rgb_to_grey(const_cast<std::uint8_t*>(rgb.row(y)), rgb.width);
    return {rgb.data, rgb.width, rgb.height, 1, rgb.stride_bytes};
  }

  const std::unique_ptr<FormatReader> reader_;
  const ImageDecoderOptions options_;
  FileBytes opened_;  ///< The file that the reader has open and has not decoded.
  Size stored_;
  std::uint64_t decode_bytes_ = 0;
  Orientation orientation_;
  Buffer upended_;  ///< The stored pixels of a picture that has to be turned.
};

class ImageDecoder final : public Decoder, public DecodeMemory {
 public:
  explicit ImageDecoder(const ImageDecoderOptions& options) {
    if (options.channels != 1 && options.channels != 3)
      throw Error(ErrorKind::usage, "decoded pictures have 1 or 3 channels, not " + std::to_string(options.channels));
    at(ImageFormat::jpeg) = make_jpeg_decoder({.channels = options.channels,
                                               .apply_exif_orientation = options.apply_exif_orientation,
                                               .max_pixels = options.max_pixels,
                                               .fast = options.fast_jpeg,
                                               .max_scans = options.max_scans,
                                               .max_library_bytes = options.max_library_bytes,
                                               .ways = options.jpeg_ways});
    at(ImageFormat::png) = std::make_unique<FormatDecoder>(make_png_reader(), options);
    at(ImageFormat::webp) = std::make_unique<FormatDecoder>(make_webp_reader(), options);
    at(ImageFormat::bmp) = std::make_unique<FormatDecoder>(make_bmp_reader(), options);
  }

  Expected<ImageInfo> header(FileBytes bytes) override {
    const FileFormat format = file_format(bytes);
    last_ = nullptr;
    if (format.decoder == ImageFormat::none) return unreadable(bytes, format);
    Decoder& decoder = *at(format.decoder);
    last_ = dynamic_cast<const DecodeMemory*>(&decoder);
    return decoder.header(bytes);
  }

  std::uint64_t decode_bytes() const override { return last_ ? last_->decode_bytes() : 0; }

  Expected<ImageView> decode(FileBytes bytes, const Roi& roi, Buffer& canvas) override {
    const FileFormat format = file_format(bytes);
    if (format.decoder == ImageFormat::none) return unreadable(bytes, format);
    return at(format.decoder)->decode(bytes, roi, canvas);
  }

 private:
  std::unique_ptr<Decoder>& at(ImageFormat format) { return decoders_[static_cast<std::size_t>(format)]; }

  static tl::unexpected<Fault> unreadable(FileBytes bytes, const FileFormat& format) {
    if (bytes.empty()) return refuse(FaultKind::truncated, 0, "the file is empty");
    if (!format.name.empty()) return refuse(FaultKind::unsupported, 0, format.name);
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string begin;
    for (std::size_t i = 0; i < bytes.size() && i < 8; ++i) begin += {' ', kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
    return refuse(FaultKind::corrupt, 0, "no picture of a known format: it begins with" + begin);
  }

  std::array<std::unique_ptr<Decoder>, 5> decoders_;
  const DecodeMemory* last_ = nullptr;  ///< The decoder that read the last header.
};

}  // namespace

std::unique_ptr<Decoder> make_image_decoder(const ImageDecoderOptions& options) { return std::make_unique<ImageDecoder>(options); }

}  // namespace millrace
