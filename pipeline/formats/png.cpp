// PNG by libpng, called directly.
#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>

#include <png.h>

#include "pipeline/exif.h"
#include "pipeline/formats/reader.h"

namespace millrace {
namespace {

constexpr std::size_t kSignatureBytes = 8, kHeaderBytes = kSignatureBytes + 25, kChunkFrame = 12;  // Of a chunk: length, name, CRC.
constexpr std::int64_t kLargestSide = 1'000'000;  // libpng's own limit: rows are kept whole, and a row of 16-bit RGBA takes 8 bytes a pixel.

bool is_text(FileBytes bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

struct PngHeader {
  std::uint32_t width = 0, height = 0;
  int depth = 0, color = 0;
  bool interlaced = false;
  bool grey16() const { return depth == 16 && color == PNG_COLOR_TYPE_GRAY; }
};

/// The packet of an iTXt chunk that holds XMP uncompressed, as XMP asks; empty otherwise.
FileBytes xmp_of(FileBytes chunk) {
  constexpr std::string_view kKey("XML:com.adobe.xmp\0\0", 19);  // The keyword, and the flag that says: not compressed.
  if (!is_text(chunk, 0, kKey)) return {};
  std::size_t at = kKey.size() + 1;         // The method of compression.
  for (int texts = 0; texts < 2; ++texts) {  // Language and translated keyword, each ended by a zero.
    while (at < chunk.size() && chunk[at] != 0) ++at;
    ++at;
  }
  return at < chunk.size() ? chunk.subspan(at) : FileBytes{};
}

/// libpng's reader over bytes in memory, with errors that return instead of printing. One a picture.
class PngLibrary {
 public:
  explicit PngLibrary(FileBytes bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngLibrary() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngLibrary(const PngLibrary&) = delete;
  PngLibrary& operator=(const PngLibrary&) = delete;

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }
  /// Calls libpng inside `steps`. A failure leaves it by longjmp: `steps` and what it calls hold no objects with destructors.
  template <class Steps>
  [[nodiscard]] bool run(Steps steps) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    steps();
    return true;
  }
  void connect() { png_set_read_fn(png_, this, on_read); }
  Fault fault() const {
    return {.kind = ended_ ? FaultKind::truncated : FaultKind::corrupt, .offset_bytes = position_, .detail = std::string("libpng: ") + message_};
  }

 private:
  static PngLibrary& of(png_structp png) { return *static_cast<PngLibrary*>(png_get_error_ptr(png)); }
  void keep(const char* message) {
    std::strncpy(message_, message, sizeof message_ - 1);
    message_[sizeof message_ - 1] = '\0';
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    of(png).keep(message);
    png_longjmp(png, 1);
  }
  /// What libpng passes over leaves the pixels alone, but for the check sum of all of them, which it only looks at after the last row.
  static void on_warning(png_structp png, png_const_charp message) {
    if (std::strstr(message, "IDAT") && std::strstr(message, "incorrect data check")) on_error(png, message);
  }
  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    PngLibrary& self = of(png);
    if (count > self.bytes_.size() - self.position_) {
      self.ended_ = true;
      png_error(png, "the file ends before its picture does");
    }
    std::memcpy(to, self.bytes_.data() + self.position_, count);
    self.position_ += count;
  }

  FileBytes bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::size_t position_ = 0;
  bool ended_ = false;
  char message_[200] = {};
};

/// Everything becomes 8-bit RGB, but 16-bit grey, which stays as it is.
void set_transforms(png_structp png, const PngHeader& header) {
  // Texts, profiles, transparency: nothing of that reaches the pixels, so no memory is spent on it and no word lost about it.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, reinterpret_cast<png_const_bytep>("tRNS"), 1);
  if (header.grey16()) return;
  if (header.color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (header.depth < 8 && header.color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (header.depth == 16) png_set_strip_16(png);
  if (header.color & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
  if (!(header.color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
}

/// 16-bit grey, its high byte first, to RGB: clipped, as Pillow does. In place, from the end, since it grows.
void widen_grey16(std::uint8_t* row, int pixels) {
  for (int x = pixels; x-- > 0;) {
    const std::uint8_t value = row[2 * x] != 0 ? 255 : row[2 * x + 1];
    std::fill_n(row + 3 * x, 3, value);
  }
}

class PngReader final : public FormatReader {
 public:
  Expected<StoredPicture> open(FileBytes bytes, bool wants_orientation) override {
    if (bytes.size() < kHeaderBytes) return refuse(FaultKind::truncated, bytes.size(), "the file ends in the PNG header");
    if (big32(bytes, kSignatureBytes) != 13 || !is_text(bytes, kSignatureBytes + 4, "IHDR"))
      return refuse(FaultKind::corrupt, kSignatureBytes, "PNG without an IHDR chunk");
    header_ = {big32(bytes, 16), big32(bytes, 20), bytes[24], bytes[25], bytes[28] != 0};
    StoredPicture picture{header_.width, header_.height};
    if (picture.width > kLargestSide || picture.height > kLargestSide)
      return refuse(FaultKind::too_large, 16, "a PNG of " + std::to_string(picture.width) + " x " + std::to_string(picture.height) + " pixels: no side may exceed " + std::to_string(kLargestSide));
    if (std::optional<Fault> fault = walk(bytes, wants_orientation, picture)) return tl::make_unexpected(*std::move(fault));
    bytes_ = bytes;
    constexpr std::uint64_t kInflate = 1 << 16;
    picture.decode_bytes = kInflate + header_.width * std::uint64_t{3 * 8};  // libpng's two rows and ours.
    return picture;
  }

  Expected<ImageView> read(const Roi& roi, Buffer& canvas) override {
    const int width = static_cast<int>(header_.width);
    const bool whole_rows = header_.interlaced || roi.width == width;
    const MutableImageView rows = rgb_canvas(canvas, whole_rows ? width : roi.width, roi.height);
    std::uint8_t* const scratch = row_.reserve(static_cast<std::size_t>(width) * 3);
    PngLibrary library(bytes_);
    library.connect();
    const bool done = library.run([&] {
      start(library);
      if (header_.interlaced) read_passes(library.png(), roi, rows);
      else read_rows(library.png(), roi, rows, scratch);
    });
    if (!done) return tl::make_unexpected(library.fault());
    return whole_rows ? ImageView(rows).crop({roi.left, 0, roi.width, roi.height}) : ImageView(rows);
  }

 private:
  /// Chunk after chunk up to IEND: a file that lacks its end is truncated, whichever rows are wanted.
  static std::optional<Fault> walk(FileBytes bytes, bool wants_orientation, StoredPicture& picture) {
    std::optional<int> exif, xmp;
    for (std::size_t at = kHeaderBytes;;) {
      const std::size_t left = bytes.size() - at;
      if (left >= kChunkFrame && is_text(bytes, at + 4, "IEND")) break;
      if (left < kChunkFrame || left - kChunkFrame < big32(bytes, at))
        return Fault{.kind = FaultKind::truncated, .offset_bytes = bytes.size(), .detail = "the file ends in a PNG chunk"};
      const FileBytes chunk = bytes.subspan(at + 8, big32(bytes, at));
      if (wants_orientation && is_text(bytes, at + 4, "eXIf")) exif = tiff_orientation(chunk);
      if (wants_orientation && is_text(bytes, at + 4, "iTXt")) {
        if (const FileBytes packet = xmp_of(chunk); !packet.empty()) xmp = xmp_orientation(packet);
      }
      at += kChunkFrame + chunk.size();
    }
    picture.orientation = orientation_of(exif, xmp);
    return {};
  }

  void start(PngLibrary& library) const {
    set_transforms(library.png(), header_);
    png_read_info(library.png(), library.info());
    if (header_.interlaced) png_set_interlace_handling(library.png());
    png_read_update_info(library.png(), library.info());
    const std::size_t expected = std::size_t{header_.width} * (header_.grey16() ? 2 : 3);
    if (png_get_rowbytes(library.png(), library.info()) != expected) png_error(library.png(), "unexpected length of a row");
  }

  void read_rows(png_structp png, const Roi& roi, const MutableImageView& rows, std::uint8_t* scratch) const {
    const bool whole = rows.width == static_cast<int>(header_.width);
    for (int y = 0; y < roi.top; ++y) png_read_row(png, nullptr, nullptr);
    for (int y = 0; y < roi.height; ++y) {
      std::uint8_t* const row = whole ? rows.row(y) : scratch;
      png_read_row(png, row, nullptr);
      if (header_.grey16()) widen_grey16(row, static_cast<int>(header_.width));
      if (!whole) std::memcpy(rows.row(y), row + std::ptrdiff_t{3} * roi.left, static_cast<std::size_t>(roi.width) * 3);
    }
  }

  /// Each pass adds pixels to all rows; rows that are not wanted are read to nowhere.
  void read_passes(png_structp png, const Roi& roi, const MutableImageView& rows) const {
    constexpr int kPasses = 7;
    const int end = roi.top + roi.height, height = static_cast<int>(header_.height);
    for (int pass = 0; pass < kPasses; ++pass)
      for (int y = 0; y < (pass == kPasses - 1 ? end : height); ++y)
        png_read_row(png, y >= roi.top && y < end ? rows.row(y - roi.top) : nullptr, nullptr);
    for (int y = 0; y < rows.height && header_.grey16(); ++y) widen_grey16(rows.row(y), rows.width);
  }

  FileBytes bytes_;
  PngHeader header_;
  Buffer row_;
};

}  // namespace

std::unique_ptr<FormatReader> make_png_reader() { return std::make_unique<PngReader>(); }

}  // namespace millrace
