#include "pipeline/jpeg.h"

#include <algorithm>
#include <string>

#include "pipeline/contract.h"
#include "pipeline/jpeg/baseline_decoder.h"
#include "pipeline/jpeg_color.h"
#include "pipeline/jpeg_exif.h"
#include "pipeline/jpeg_library.h"
#include "pipeline/jpeg_region.h"
#include "pipeline/release_large.h"

namespace millrace {
namespace {

using Bytes = std::span<const std::uint8_t>;

tl::unexpected<Fault> refuse(FaultKind kind, std::uint64_t offset, std::string detail) {
  Fault fault;
  fault.kind = kind;
  fault.offset_bytes = offset;
  fault.detail = std::move(detail);
  return tl::unexpected(std::move(fault));
}

JpegOptions checked(const JpegOptions& options) {
  if (options.channels != 1 && options.channels != 3)
    throw Error(ErrorKind::usage, "a JPEG cannot be decoded to " + std::to_string(options.channels) + " channels", "use 1 or 3");
  const int scale = options.scale_denominator;
  if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
    throw Error(ErrorKind::usage, "a JPEG cannot be decoded at 1/" + std::to_string(scale), "use 1, 2, 4 or 8");
  return options;
}

/// Looked for from the end, where it normally is; between there and the scan's start only a real one can stand in a file
/// of one scan, since entropy-coded FF bytes are followed by 00.
bool has_end_marker(Bytes from_scan_on) {
  for (std::size_t i = from_scan_on.size(); i-- > 1;)
    if (from_scan_on[i] == 0xD9 && from_scan_on[i - 1] == 0xFF) return true;
  return false;
}

/// What libjpeg keeps of a file of several scans until its end: all coefficients.
std::uint64_t coefficient_bytes(jpeg_decompress_struct& cinfo) {
  if (!jpeg_has_multiple_scans(&cinfo)) return 0;
  std::uint64_t blocks = 0;
  const auto whole = [](std::uint64_t count, int factor) { return (count + std::uint64_t(factor) - 1) / std::uint64_t(factor) * std::uint64_t(factor); };
  for (int c = 0; c < cinfo.num_components; ++c) {
    const jpeg_component_info& component = cinfo.comp_info[c];
    blocks += whole(component.width_in_blocks, component.h_samp_factor) * whole(component.height_in_blocks, component.v_samp_factor);
  }
  return blocks * sizeof(JBLOCK);
}

/// A file of several scans may leave a component out: libjpeg then delivers mid-grey without a word.
bool every_component_has_data(const JpegLibrary& library, const jpeg_decompress_struct& cinfo) {
  return library.scanned_components() == (1u << cinfo.num_components) - 1;
}

/// Reads rows into memory; runs inside JpegLibrary::run.
void read_rows(JpegLibrary& library, std::uint8_t* rows, std::ptrdiff_t stride_bytes, int count, bool to_grey) {
  constexpr int kAtOnce = 8;
  jpeg_decompress_struct& cinfo = library.cinfo();
  const int width = int(cinfo.output_width);
  for (int done = 0; done < count;) {
    JSAMPROW lines[kAtOnce];
    const int wanted = std::min(kAtOnce, count - done);
    for (int i = 0; i < wanted; ++i) lines[i] = rows + (done + i) * stride_bytes;
    const int got = int(jpeg_read_scanlines(&cinfo, lines, JDIMENSION(wanted)));
    if (got == 0) library.fail(JpegVerdict::corrupt, "libjpeg delivers no more rows");
    for (int i = 0; i < got; ++i) {
      if (cinfo.out_color_space == JCS_CMYK) inverted_cmyk_to_rgb(lines[i], width);
      if (to_grey) rgb_to_grey(lines[i], width);
    }
    done += got;
  }
}

}  // namespace

class JpegDecoder::Impl {
 public:
  explicit Impl(const JpegOptions& options) : options_(checked(options)), library_(options.max_library_bytes, options.max_scans), baseline_(options.fast ? std::make_unique<jpeg::BaselineDecoder>() : nullptr) {}

  Expected<ImageInfo> header(Bytes bytes) {
    ready_ = false;
    if (bytes.empty()) return refuse(FaultKind::corrupt, 0, "the file is empty");
    if (bytes.size() < 2 || bytes[0] != 0xFF || bytes[1] != 0xD8)
      return refuse(FaultKind::corrupt, 0, "not a JPEG: it does not begin with FF D8");
    library_.open(bytes);
    jpeg_decompress_struct& cinfo = library_.cinfo();
    const bool done = library_.run([this, &cinfo] {
      jpeg_read_header(&cinfo, TRUE);
      cinfo.scale_num = 1;
      cinfo.scale_denom = unsigned(options_.scale_denominator);
      cinfo.dct_method = JDCT_ISLOW;
      choose_color(cinfo);
      jpeg_calc_output_dimensions(&cinfo);
    });
    if (!done) return tl::unexpected(library_.fault());
    if (std::int64_t(cinfo.image_width) * cinfo.image_height > options_.max_pixels)
      return refuse(FaultKind::too_large, library_.position(), "the picture is declared as " + std::to_string(cinfo.image_width) + " x " +
                    std::to_string(cinfo.image_height) + " pixels; the limit is " + std::to_string(options_.max_pixels) + " (data.max_megapixels)");
    stored_size_ = {int(cinfo.output_width), int(cinfo.output_height)};
    orientation_ = Orientation::from_exif(options_.apply_exif_orientation ? exif_orientation(bytes) : 1);
    bytes_ = bytes;
    scan_offset_ = std::size_t(library_.position());
    ready_ = true;
    const std::uint64_t pixels = std::uint64_t(stored_size_.width) * std::uint64_t(stored_size_.height);
    decode_bytes_ = coefficient_bytes(cinfo) + (baseline_ ? bytes.size() : 0) + (orientation_.identity() ? 0 : pixels * std::uint64_t(options_.channels));
    return ImageInfo{orientation_.upright(stored_size_), options_.channels, bool(cinfo.progressive_mode)};
  }

  Expected<ImageView> decode(Bytes bytes, const Roi& roi, Buffer& canvas) {
    if (!ready_ || bytes.data() != bytes_.data() || bytes.size() != bytes_.size()) {
      const auto info = header(bytes);
      if (!info) return tl::unexpected(info.error());
    }
    ready_ = false;
    require_inside(roi, orientation_.upright(stored_size_));
    if (!has_end_marker(bytes.subspan(scan_offset_)))
      return refuse(FaultKind::truncated, bytes.size(), "the file ends without an end-of-image marker");
    const Roi stored = orientation_.stored(roi, stored_size_);
    const auto view = decode_stored(stored, orientation_.identity() ? canvas : upended_);
    const bool progressive = library_.cinfo().progressive_mode;
    library_.release();
    if (baseline_) baseline_->release_large();
    if (!view) return view;
    ++counts_.decoded;
    counts_.fast += by_fast_;
    if (options_.ways) (by_fast_ ? options_.ways->fast : options_.ways->library).fetch_add(1, std::memory_order_relaxed);
    counts_.progressive += progressive ? 1 : 0;
    counts_.warnings += library_.warnings();
    if (orientation_.identity()) return view;
    const auto upright = turn(*view, roi.size(), canvas);
    release_large(upended_);
    return upright;
  }

  const JpegCounts& counts() const { return counts_; }
  std::uint64_t decode_bytes() const { return decode_bytes_; }

 private:
  void choose_color(jpeg_decompress_struct& cinfo) const {
    const bool cmyk = cinfo.jpeg_color_space == JCS_CMYK || cinfo.jpeg_color_space == JCS_YCCK;
    if (cinfo.jpeg_color_space == JCS_GRAYSCALE && options_.channels == 1)
      cinfo.out_color_space = JCS_GRAYSCALE;
    else
      cinfo.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  }

  Expected<ImageView> decode_stored(const Roi& roi, Buffer& canvas);
  Expected<ImageView> decode_by_library(const Roi& roi, Buffer& canvas);
  Expected<ImageView> turn(const ImageView& view, Size size, Buffer& canvas) const;
  static void require_inside(const Roi& roi, Size size);

  const JpegOptions options_;
  JpegLibrary library_;
  const std::unique_ptr<jpeg::BaselineDecoder> baseline_; ///< Null where options ask for libjpeg-turbo alone.
  Buffer upended_; ///< The stored pixels of a picture that has to be turned.
  Size stored_size_;
  Orientation orientation_;
  Bytes bytes_;
  std::size_t scan_offset_ = 0;
  std::uint64_t decode_bytes_ = 0;
  bool by_fast_ = false; ///< Of the last picture.
  bool ready_ = false; ///< The header of `bytes_` has been read and nothing after it.
  JpegCounts counts_;
};

Expected<ImageView> JpegDecoder::Impl::decode_stored(const Roi& roi, Buffer& canvas) {
  if (baseline_) {
    const auto view = baseline_->decode(library_.cinfo(), bytes_.subspan(scan_offset_), roi, options_.channels, canvas);
    by_fast_ = view.has_value();
    if (view) return *view;
  }
  return decode_by_library(roi, canvas);
}

Expected<ImageView> JpegDecoder::Impl::decode_by_library(const Roi& roi, Buffer& canvas) {
  // libjpeg-turbo's colour conversion writes around the cache where a row begins on a vector's boundary, and the pixels would
  // have to be fetched from memory for the next pass. So each row begins 8 bytes off.
  constexpr std::ptrdiff_t kRowAlignment = 64, kRowOffset = 8;
  jpeg_decompress_struct& cinfo = library_.cinfo();
  const bool several_scans = jpeg_has_multiple_scans(&cinfo);
  if (several_scans) library_.watch_scans();
  if (!library_.run([&cinfo] { jpeg_start_decompress(&cinfo); })) return tl::unexpected(library_.fault());
  if (several_scans && !every_component_has_data(library_, cinfo))
    return refuse(FaultKind::corrupt, library_.position(), "a colour component has no scan");

  const bool exact = region_decode_is_exact(cinfo);
  const JpegRegion region = exact ? region_for(cinfo, roi) : JpegRegion{0, stored_size_.width, 0};
  JDIMENSION left = JDIMENSION(region.left), width = JDIMENSION(region.width);
  const bool placed = library_.run([&] {
    jpeg_crop_scanline(&cinfo, &left, &width);
    if (region.top > 0) jpeg_skip_scanlines(&cinfo, JDIMENSION(region.top));
  });
  if (!placed) return tl::unexpected(library_.fault());

  const int rows = roi.top + roi.height - region.top;
  const std::ptrdiff_t stride = (std::ptrdiff_t(width) * cinfo.output_components + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  std::uint8_t* const pixels = canvas.reserve(std::size_t(stride) * std::size_t(rows) + kRowOffset) + kRowOffset;
  const bool to_grey = options_.channels == 1 && cinfo.out_color_space != JCS_GRAYSCALE;
  if (!library_.run([&] { read_rows(library_, pixels, stride, rows, to_grey); })) return tl::unexpected(library_.fault());
  if (!exact && roi.size() != stored_size_) ++counts_.whole;
  const ImageView decoded{pixels, int(width), rows, options_.channels, stride};
  return decoded.crop({roi.left - int(left), roi.top - region.top, roi.width, roi.height});
}

Expected<ImageView> JpegDecoder::Impl::turn(const ImageView& view, Size size, Buffer& canvas) const {
  const std::ptrdiff_t stride = std::ptrdiff_t(size.width) * view.channels;
  std::uint8_t* const pixels = canvas.reserve(std::size_t(stride) * std::size_t(size.height));
  const MutableImageView upright{pixels, size.width, size.height, view.channels, stride};
  orientation_.apply(view, upright);
  return upright;
}

void JpegDecoder::Impl::require_inside(const Roi& roi, Size size) {
  const bool inside = roi.left >= 0 && roi.top >= 0 && roi.width > 0 && roi.height > 0 && roi.width <= size.width - roi.left &&
                      roi.height <= size.height - roi.top;
  contract(inside, "the roi must lie inside the picture");
}

JpegDecoder::JpegDecoder(const JpegOptions& options) : impl_(std::make_unique<Impl>(options)) {}
JpegDecoder::~JpegDecoder() = default;
Expected<ImageInfo> JpegDecoder::header(Bytes bytes) { return impl_->header(bytes); }
Expected<ImageView> JpegDecoder::decode(Bytes bytes, const Roi& roi, Buffer& canvas) { return impl_->decode(bytes, roi, canvas); }
std::uint64_t JpegDecoder::decode_bytes() const { return impl_->decode_bytes(); }
const JpegCounts& JpegDecoder::counts() const { return impl_->counts(); }

std::unique_ptr<Decoder> make_jpeg_decoder(const JpegOptions& options) { return std::make_unique<JpegDecoder>(options); }

}  // namespace millrace
