#include "pipeline/formats/bmp.h"

#include <cstring>

#include "pipeline/release_large.h"

namespace millrace {
namespace {

class BmpReader final : public FormatReader {
 public:
  Expected<StoredPicture> open(FileBytes bytes, bool) override {
    Expected<BmpHeader> header = read_bmp_header(bytes);
    if (!header) return tl::make_unexpected(std::move(header).error());
    header_ = *header;
    bytes_ = bytes;
    const std::int64_t width = header_.width, height = header_.height;
    if (width < 1 || height < 1 || width >= kTooMany || height >= kTooMany || width * height >= kTooMany) return StoredPicture{width, height};
    const auto pixels = static_cast<std::uint64_t>(width * height);
    if (header_.packing != BmpPacking::plain) return StoredPicture{.width = width, .height = height, .decode_bytes = pixels};
    // The last row may lack what fills it up to four bytes.
    const std::uint64_t last_row = (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(header_.bits) + 7) / 8;
    if (header_.pixels_at + header_.stride_bytes() * static_cast<std::uint64_t>(height - 1) + last_row > bytes.size())
      return refuse(FaultKind::truncated, bytes.size(), "the file ends in the BMP's pixels");
    return StoredPicture{width, height};
  }

  Expected<ImageView> read(const Roi& roi, Buffer& canvas) override {
    const auto width = static_cast<std::size_t>(header_.width);
    const MutableImageView out = rgb_canvas(canvas, roi.width, roi.height);
    const bool packed = header_.packing != BmpPacking::plain;
    if (packed) {
      const Expected<void> unpacked = unpack_bmp_runs(bytes_, header_, indices_.reserve(width * static_cast<std::size_t>(header_.height)));
      if (!unpacked) return tl::make_unexpected(unpacked.error());
    }
    const std::uint8_t* const rows = packed ? indices_.data() : bytes_.data() + header_.pixels_at;
    const std::size_t stride = packed ? width : static_cast<std::size_t>(header_.stride_bytes());
    for (int y = 0; y < roi.height; ++y) {
      const std::int64_t from_top = roi.top + y, row = header_.top_down ? from_top : header_.height - 1 - from_top;
      const std::uint8_t* const in = rows + stride * static_cast<std::size_t>(row);
      if (header_.bits > 8) convert_pixels(in, roi.left, roi.width, out.row(y));
      else convert_indices(in, packed ? 8 : header_.bits, roi.left, roi.width, out.row(y));
    }
    release_large(indices_);
    return out;
  }

 private:
  static constexpr std::int64_t kTooMany = std::int64_t{1} << 31;

  void convert_pixels(const std::uint8_t* row, int left, int count, std::uint8_t* out) const {
    const int bytes = header_.bits / 8;
    const auto& [red, green, blue] = header_.channels;
    for (const std::uint8_t* in = row + std::ptrdiff_t{left} * bytes; count-- > 0; in += bytes, out += 3) {
      std::uint32_t pixel = std::uint32_t{in[1]} << 8 | in[0];
      if (bytes > 2) pixel |= std::uint32_t{in[2]} << 16;
      if (bytes > 3) pixel |= std::uint32_t{in[3]} << 24;
      out[0] = red.of(pixel);
      out[1] = green.of(pixel);
      out[2] = blue.of(pixel);
    }
  }

  void convert_indices(const std::uint8_t* row, int bits, int left, int count, std::uint8_t* out) const {
    const int a_byte = 8 / bits, most = (1 << bits) - 1;
    for (int x = left; x < left + count; ++x, out += 3) {
      const int index = row[x / a_byte] >> (8 - bits - x % a_byte * bits) & most;
      std::memcpy(out, header_.colors[static_cast<std::size_t>(index)].data(), 3);
    }
  }

  FileBytes bytes_;
  BmpHeader header_;
  Buffer indices_;
};

}  // namespace

std::unique_ptr<FormatReader> make_bmp_reader() { return std::make_unique<BmpReader>(); }

}  // namespace millrace
