// WebP by libwebp, called directly.
#include <algorithm>
#include <cstring>
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "pipeline/exif.h"
#include "pipeline/formats/reader.h"
#include "pipeline/release_large.h"

namespace millrace {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

/// A chunk of the container; empty where there is none.
FileBytes chunk_of(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator found;
  if (!WebPDemuxGetChunk(demuxer, name, 1, &found)) return {};
  const FileBytes bytes(found.chunk.bytes, found.chunk.size);
  WebPDemuxReleaseChunkIterator(&found);  // Of the iterator alone: the bytes are the file's.
  return bytes;
}

const char* words_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "libwebp: out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "libwebp: unsupported feature";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return "libwebp: the data ends before the picture does";
    default: return "libwebp: bitstream error";
  }
}

FaultKind kind_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return FaultKind::too_large;
    case VP8_STATUS_UNSUPPORTED_FEATURE: return FaultKind::unsupported;
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return FaultKind::truncated;
    default: return FaultKind::corrupt;
  }
}

/// What libwebp allocates for a frame, at most: of lossless ones every pixel in 4 bytes, of lossy ones some rows of blocks, and a plane of
/// alpha that may be a lossless picture itself.
std::uint64_t library_bytes(const WebPIterator& frame) {
  constexpr std::uint64_t kTables = 1 << 19, kLossyRows = 128, kLosslessRows = 17 * 4;
  const auto width = static_cast<std::uint64_t>(frame.width), pixels = width * static_cast<std::uint64_t>(frame.height);
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) != VP8_STATUS_OK) return kTables;
  constexpr int kLossless = 2;
  if (features.format == kLossless) return kTables + 4 * pixels + kLosslessRows * width;
  return kTables + kLossyRows * width + (features.has_alpha ? 5 * pixels + kLosslessRows * width : 0);
}

class WebpReader final : public FormatReader {
 public:
  Expected<StoredPicture> open(FileBytes bytes, bool wants_orientation) override {
    demuxer_.reset();
    constexpr std::size_t kContainerHeader = 12, kSizeAt = 4;
    if (bytes.size() < kContainerHeader || std::uint64_t{little32(bytes, kSizeAt)} + 8 > bytes.size())
      return refuse(FaultKind::truncated, bytes.size(), "the file ends in the WebP container");
    const WebPData data{bytes.data(), bytes.size()};
    WebPDemuxState state{};
    demuxer_.reset(WebPDemuxPartial(&data, &state));
    if (state == WEBP_DEMUX_PARSE_ERROR || (state == WEBP_DEMUX_DONE && !demuxer_)) return refuse(FaultKind::corrupt, 0, "libwebp: not a valid WebP container");
    if (state != WEBP_DEMUX_DONE) return refuse(FaultKind::truncated, bytes.size(), "the file ends in the WebP container");
    WebPIterator frame;
    if (!WebPDemuxGetFrame(demuxer_.get(), 1, &frame)) return refuse(FaultKind::corrupt, 0, "WebP without a picture");
    StoredPicture picture{WebPDemuxGetI(demuxer_.get(), WEBP_FF_CANVAS_WIDTH), WebPDemuxGetI(demuxer_.get(), WEBP_FF_CANVAS_HEIGHT)};
    frame_ = {frame.x_offset, frame.y_offset, frame.width, frame.height};
    fragment_ = {frame.fragment.bytes, frame.fragment.size};
    picture.decode_bytes = library_bytes(frame);
    if (frame_.size() != Size{static_cast<int>(picture.width), static_cast<int>(picture.height)})
      picture.decode_bytes += 3 * static_cast<std::uint64_t>(frame_.width) * static_cast<std::uint64_t>(frame_.height);
    WebPDemuxReleaseIterator(&frame);
    if (wants_orientation) {
      const FileBytes exif = chunk_of(demuxer_.get(), "EXIF");
      picture.orientation = orientation_of(tiff_orientation(without_prefix(exif)), xmp_orientation(chunk_of(demuxer_.get(), "XMP ")));
    }
    return picture;
  }

  Expected<ImageView> read(const Roi& roi, Buffer& canvas) override {
    const Roi wanted = visible_part(roi);
    if (wanted == roi) return decode({roi.left - frame_.left, roi.top - frame_.top, roi.width, roi.height}, canvas);
    // The first frame of an animation need not cover its canvas, which is black before it.
    const MutableImageView out = rgb_canvas(canvas, roi.width, roi.height);
    std::fill_n(out.data, static_cast<std::size_t>(out.stride_bytes) * static_cast<std::size_t>(out.height), std::uint8_t{0});
    if (wanted.width == 0 || wanted.height == 0) return out;
    const Expected<ImageView> part = decode({wanted.left - frame_.left, wanted.top - frame_.top, wanted.width, wanted.height}, part_);
    if (!part) return part;
    for (int y = 0; y < part->height; ++y)
      std::memcpy(out.row(wanted.top - roi.top + y) + std::ptrdiff_t{3} * (wanted.left - roi.left), part->row(y), static_cast<std::size_t>(part->width) * 3);
    release_large(part_);
    return out;
  }

 private:
  /// Writers of WebP keep EXIF as JPEG has it, or without its six bytes.
  static FileBytes without_prefix(FileBytes exif) {
    for (int i = 0; i < 2 && exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0; ++i) exif = exif.subspan(6);
    return exif;
  }

  /// The part of a rectangle of the canvas that the frame covers.
  Roi visible_part(const Roi& roi) const {
    const int left = std::max(roi.left, frame_.left), top = std::max(roi.top, frame_.top);
    const int right = std::min(roi.left + roi.width, frame_.left + frame_.width), bottom = std::min(roi.top + roi.height, frame_.top + frame_.height);
    return {left, top, std::max(0, right - left), std::max(0, bottom - top)};
  }

  /// Decodes a part of the frame. Colours of lossy files are interpolated from samples for two by two pixels: libwebp takes the crop's edge
  /// for the picture's, so it is given an even one with a margin.
  Expected<ImageView> decode(const Roi& roi, Buffer& canvas) const {
    const int left = std::max(0, roi.left - 1) & ~1, top = std::max(0, roi.top - 1) & ~1;
    const int right = std::min(frame_.width, (roi.left + roi.width + 2) & ~1), bottom = std::min(frame_.height, (roi.top + roi.height + 2) & ~1);
    const MutableImageView out = rgb_canvas(canvas, right - left, bottom - top);
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return refuse(FaultKind::unsupported, 0, "libwebp: another version than the program was built for");
    config.options.use_cropping = 1;
    config.options.crop_left = left;
    config.options.crop_top = top;
    config.options.crop_width = out.width;
    config.options.crop_height = out.height;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out.data;
    config.output.u.RGBA.stride = static_cast<int>(out.stride_bytes);
    config.output.u.RGBA.size = static_cast<std::size_t>(out.stride_bytes) * static_cast<std::size_t>(out.height);
    const VP8StatusCode status = WebPDecode(fragment_.data(), fragment_.size(), &config);
    if (status != VP8_STATUS_OK) return refuse(kind_of(status), 0, words_of(status));
    return ImageView(out).crop({roi.left - left, roi.top - top, roi.width, roi.height});
  }

  std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer_;  ///< Of the file that is open: its frames point into it.
  Roi frame_;           ///< Where the first frame lies on the canvas.
  FileBytes fragment_;  ///< Its data.
  Buffer part_;
};

}  // namespace

std::unique_ptr<FormatReader> make_webp_reader() { return std::make_unique<WebpReader>(); }

}  // namespace millrace
