#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/decode_memory.h"
#include "pipeline/decoder.h"
#include "pipeline/jpeg_ways.h"

namespace millrace {

/// How JPEG files become pixels, and what is refused before memory is spent on it.
struct JpegOptions {
  int channels = 3;                    ///< 3: RGB. 1: grey, by Pillow's convert("L") where the file is coloured.
  bool apply_exif_orientation = false; ///< Turn the picture upright; sizes and rois are then those of the upright picture.
  int scale_denominator = 1;           ///< 1, 2, 4 or 8: decode at 1/N (rounded up) in the DCT. Other pixels than a resize gives.
  std::int64_t max_pixels = 64'000'000;             ///< Of the declared size.
  bool fast = true;                    ///< Usual files by jpeg/baseline_decoder.h, in half the time. False: all by libjpeg-turbo.
  int max_scans = 100;                              ///< A small progressive file can ask for hours of work.
  std::int64_t max_library_bytes = 640 * (1 << 20); ///< For the coefficients that files of several scans keep.
  std::shared_ptr<JpegWays> ways;                   ///< Added to with each picture; null: nobody asks.
};

/// What a decoder has seen since it was made.
struct JpegCounts {
  std::uint64_t decoded = 0;       ///< Pictures delivered.
  std::uint64_t progressive = 0;   ///< Of these; each costs about three times a baseline file.
  std::uint64_t fast = 0;          ///< Of `decoded`; the others came from libjpeg-turbo.
  std::uint64_t whole = 0;         ///< Crops for which the whole picture was decoded: see `decode`.
  std::uint64_t warnings = 0;      ///< Benign remarks of libjpeg in delivered pictures (stray bytes between segments, say).
};

/// JPEG by libjpeg-turbo, called directly: ISLOW DCT, fancy upsampling, hence Pillow's pixels. It reads and judges every header; the
/// scans of usual files then go to a decoder of our own that gives the same bits (jpeg/baseline_decoder.h), or hands them back,
/// in which case it is as if it had not been asked. Grey is replicated to RGB; CMYK and YCCK are taken as Adobe writes them (inverted) and
/// converted by Pillow's integer formula.
///
/// `decode` decodes the crop only: columns are left out of the inverse DCT (jpeg_crop_scanline), rows above are only
/// entropy-decoded (jpeg_skip_scanlines), and nothing below the crop is read. It equals decode-then-crop to the bit; where
/// the library does not give that (block smoothing of an unfinished progressive file, odd sampling factors when scaled), the
/// whole picture is decoded.
///
/// What a file's state means for its pixels:
///  - A file without an end-of-image marker is `truncated`, whatever the crop, so that its verdict does not depend on the draw.
///  - Each warning of libjpeg down to the crop's last row is judged: lost data (bad codes, premature end, lost restart
///    markers) is `corrupt`; what leaves pixels alone is counted.
///  - Damage below the crop's last row of a single-scan file is not seen: the pixels delivered are exact.
///
/// Owns:    libjpeg's handle, and scratch for turning; both stay between calls.
/// Threads: one caller at a time.
/// Errors:  Fault truncated, corrupt, unsupported (12-bit, lossless, odd colour spaces) or too_large, with libjpeg's message
///          and the offset. Error(usage) from the constructor, std::bad_alloc where the canvas cannot grow. A roi outside the
///          picture aborts.
class JpegDecoder final : public Decoder, public DecodeMemory {
 public:
  explicit JpegDecoder(const JpegOptions& options);
  ~JpegDecoder() override;
  Expected<ImageInfo> header(std::span<const std::uint8_t> bytes) override;
  /// Where `bytes` are not those of the last `header` call, or were decoded already, the header is read first.
  Expected<ImageView> decode(std::span<const std::uint8_t> bytes, const Roi& roi, Buffer& canvas) override;
  /// The coefficients that libjpeg keeps of a file of several scans, and the stored pixels of one that is turned.
  std::uint64_t decode_bytes() const override;
  const JpegCounts& counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

std::unique_ptr<Decoder> make_jpeg_decoder(const JpegOptions& options = {});

}  // namespace millrace
