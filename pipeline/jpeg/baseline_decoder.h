#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "pipeline/buffer.h"
#include "pipeline/image.h"
#include "pipeline/jpeg/huffman_tables.h"
#include "pipeline/jpeg/kernels.h"
#include "pipeline/jpeg/scan_bytes.h"

struct jpeg_decompress_struct;

namespace millrace::jpeg {

/// Crops of usual JPEG files, with libjpeg-turbo's pixels in half its time. It takes sequential Huffman files (SOF0, SOF1) of 8 bits and one
/// scan, grey or YCbCr at 4:4:4, 4:2:2 or 4:2:0, with or without restart intervals, and hands back everything else, and every
/// scan that is not what an encoder writes. What it delivers, libjpeg-turbo decodes without a warning about the scan, to the same pixels
/// (ISLOW, fancy upsampling); so libjpeg-turbo's judgement of an odd or broken file stands, and nothing is judged here.
///
/// A crop's rows of MCUs go through three steps, as many MCUs at once as stay in the first-level cache: Huffman decoding to
/// coefficients, inverse DCT into planes that hold two MCU rows, and upsampling with colour conversion to RGB where a row's
/// samples are complete. MCUs outside the crop are only gone past. The scan is read as far as libjpeg-turbo reads it for that crop, so
/// that both see the same damage.
///
/// Owns:    tables and scratch, about 160 KB and the size of the largest scan; they stay between calls.
/// Threads: one caller at a time.
/// Errors:  std::bad_alloc.
class BaselineDecoder {
 public:
  /// `header`: after jpeg_read_header and jpeg_calc_output_dimensions. `scan`: from its first entropy-coded byte to the end of the file.
  /// `roi` lies inside the picture; `channels` 3 is RGB, 1 grey (of colours by Pillow's formula). The view points into `canvas`.
  /// Nothing: left to libjpeg-turbo.
  std::optional<ImageView> decode(const jpeg_decompress_struct& header, std::span<const std::uint8_t> scan, const Roi& roi, int channels,
                                  Buffer& canvas);
  /// Gives back the copy of a scan that was much larger than usual.
  void release_large() { scan_.release_large(); }

 private:
  static constexpr int kMaxComponents = 3, kMaxBlockRows = 4, kTables = 4;
  static constexpr int kBlocksAtOnce = 24; ///< Of a row of blocks. Even, so that pairs of the inverse DCT do not straddle.

  struct Component {
    int h = 1, v = 1;                 ///< Sampling factors: blocks of an MCU.
    int width = 0, height = 0;        ///< Samples, without what fills the last MCUs.
    const SymbolTable* dc = nullptr;
    const AcTables* ac = nullptr;
    alignas(64) std::int16_t quantiser[64];
    Buffer plane;                     ///< A ring of rows: those of two MCU rows, of the crop's MCU columns.
    std::ptrdiff_t stride = 0;
    int row_mask = 0;
  };
  /// A row of blocks of the MCUs that are decoded at once, and one block more.
  struct BlockRow {
    int component = 0, y = 0;
    alignas(64) std::int16_t coefficients[64 * (kBlocksAtOnce + 1)];
    std::uint8_t extents[kBlocksAtOnce + 1];
  };
  /// A crop's MCUs, with the margins that upsampling looks at.
  struct Window {
    int left = 0, right = 0, top = 0, bottom = 0;
    int read_to = 0; ///< The row of MCUs behind the last that libjpeg-turbo reads.
  };

  bool describe(const jpeg_decompress_struct& header);
  bool build_tables(const jpeg_decompress_struct& header);
  void find_window(const Roi& roi);
  void reserve(const Roi& roi, Buffer& canvas, int channels);
  void begin_scan();
  bool restart();
  std::int64_t bits_used() const;
  template <class Run>
  bool pass(int mcus, Run run);
  bool skip(int mcus);
  bool decode_mcus(int mcus);
  bool decode_row(int row, const Roi& roi);
  void clear_blocks(int mcus);
  void transform(int row, int left, int mcus, const Roi& roi);
  void emit(int y, std::uint8_t* to);
  const std::uint16_t* chroma(int component, int y);
  const std::uint8_t* samples(const Component& c, int y, int x) const;

  const Kernels* kernels_ = nullptr;
  // Of the picture.
  int components_ = 0, h_ = 1, v_ = 1, mcus_across_ = 0, mcus_down_ = 0, rows_read_together_ = 1, restart_interval_ = 0;
  std::array<Component, kMaxComponents> component_;
  // Of the crop.
  Window window_;
  int channels_ = 3, left_ = 0, columns_ = 0; ///< Columns that are made: from an even one on where chroma has half of them.
  std::ptrdiff_t row_bytes_ = 0;
  std::uint8_t* pixels_ = nullptr;
  // Of the scan.
  ScanBytes scan_;
  ScanReader reader_;
  std::size_t interval_ = 0;
  int interval_left_ = 0;
  unsigned wild_ = 0;
  int block_rows_ = 0;
  std::array<BlockRow, kMaxBlockRows> block_row_;
  std::array<Buffer, 2> sums_;
  // Tables, kept for as long as files bring the same codes.
  AcTableBuilder builder_;
  std::array<std::optional<HuffmanCode>, kTables> dc_code_, ac_code_;
  std::array<SymbolTable, kTables> dc_;
  std::array<AcTables, kTables> ac_;
};

}  // namespace millrace::jpeg
