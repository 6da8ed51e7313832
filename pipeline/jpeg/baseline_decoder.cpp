#include "pipeline/jpeg/baseline_decoder.h"

#include <algorithm>
#include <cstdio> // jpeglib.h needs it.
#include <cstring>
#include <limits>

#include <jpeglib.h>

#include "pipeline/jpeg_color.h"

namespace millrace::jpeg {
namespace {

constexpr int kBlock = 8; // Samples a side.
/// Behind a plane's rows and the canvas's last: what the kernels read and write too far, and the second block of a pair.
constexpr int kPlanePad = 64, kCanvasPad = 96, kSumsPad = 32;

int divide_up(int a, int b) { return (a + b - 1) / b; }

HuffmanCode code_of(const JHUFF_TBL& table) {
  HuffmanCode code;
  std::copy_n(table.bits, code.lengths.size(), code.lengths.begin());
  code.lengths[0] = 0;
  int count = 0;
  for (const int n : code.lengths) count += n;
  std::copy_n(table.huffval, std::min(count, 256), code.symbols.begin());
  return code;
}

/// One scan with all coefficients of all components in order.
bool is_one_usual_scan(const jpeg_decompress_struct& header) {
  if (header.progressive_mode || header.arith_code || header.data_precision != 8) return false;
  if (header.comps_in_scan != header.num_components) return false;
  for (int c = 0; c < header.num_components; ++c)
    if (header.cur_comp_info[c] != &header.comp_info[c]) return false;
  return header.Ss == 0 && header.Se == DCTSIZE2 - 1 && header.Ah == 0 && header.Al == 0;
}

bool is_usual_color(const jpeg_decompress_struct& header) {
  if (header.num_components == 1) return header.jpeg_color_space == JCS_GRAYSCALE;
  if (header.num_components != 3 || header.jpeg_color_space != JCS_YCbCr) return false;
  const jpeg_component_info* const c = header.comp_info;
  const bool chroma_is_plain = c[1].h_samp_factor == 1 && c[1].v_samp_factor == 1 && c[2].h_samp_factor == 1 && c[2].v_samp_factor == 1;
  return chroma_is_plain && (c[0].h_samp_factor == 2 ? c[0].v_samp_factor <= 2 : c[0].h_samp_factor == 1 && c[0].v_samp_factor == 1);
}

}  // namespace

std::optional<ImageView> BaselineDecoder::decode(const jpeg_decompress_struct& header, std::span<const std::uint8_t> scan, const Roi& roi,
                                                 int channels, Buffer& canvas) {
  kernels_ = kernels();
  if (!kernels_ || !describe(header) || !build_tables(header)) return {};
  const int mcus = mcus_across_ * mcus_down_;
  if (!scan_.copy(*kernels_, scan, std::size_t(restart_interval_ > 0 ? divide_up(mcus, restart_interval_) : 1))) return {};
  find_window(roi);
  reserve(roi, canvas, channels);
  begin_scan();
  if (!skip(window_.top * mcus_across_)) return {};
  const int margin = v_ - 1;
  for (int row = window_.top, y = roi.top; row < window_.bottom; ++row) {
    if (!decode_row(row, roi)) return {};
    // Where chroma is subsampled vertically, an MCU row's last row of pixels needs the next MCU row.
    const int complete = row + 1 == window_.bottom ? roi.top + roi.height : std::min(roi.top + roi.height, (row + 1) * kBlock * v_ - margin);
    for (; y < complete; ++y) emit(y, pixels_ + (y - roi.top) * row_bytes_);
  }
  if (!skip((window_.read_to - window_.bottom) * mcus_across_)) return {};
  if (bits_used() > std::int64_t(scan_.end(interval_)) * 8 || wild_ != 0) return {};
  return ImageView{pixels_ + (roi.left - left_) * channels, roi.width, roi.height, channels, row_bytes_};
}

bool BaselineDecoder::describe(const jpeg_decompress_struct& header) {
  if (!is_one_usual_scan(header) || !is_usual_color(header) || header.scale_num != 1 || header.scale_denom != 1) return false;
  const int width = int(header.image_width), height = int(header.image_height);
  components_ = header.num_components;
  // The only component of a scan has one block an MCU, whatever its factors (T.81 A.2.2); libjpeg reads as many rows together as they say.
  h_ = components_ == 1 ? 1 : header.comp_info[0].h_samp_factor;
  v_ = components_ == 1 ? 1 : header.comp_info[0].v_samp_factor;
  rows_read_together_ = components_ == 1 ? header.comp_info[0].v_samp_factor : 1;
  mcus_across_ = divide_up(width, kBlock * h_);
  mcus_down_ = divide_up(height, kBlock * v_);
  restart_interval_ = int(header.restart_interval);
  for (int c = 0; c < components_; ++c) {
    Component& component = component_[std::size_t(c)];
    component.h = c == 0 ? h_ : 1;
    component.v = c == 0 ? v_ : 1;
    component.width = divide_up(width * component.h, h_);
    component.height = divide_up(height * component.v, v_);
  }
  // libjpeg upsamples rows of fewer than three chroma samples without its filter. And with more blocks than this, predictions of a hostile
  // file could leave 32 bits, where libjpeg stops.
  constexpr int kMinChroma = 3, kMaxBlocks = 1 << 20;
  return (h_ == 1 || component_[1].width >= kMinChroma) && mcus_across_ * mcus_down_ <= kMaxBlocks / (h_ * v_);
}

bool BaselineDecoder::build_tables(const jpeg_decompress_struct& header) {
  const auto valid = [](int table) { return table >= 0 && table < kTables; };
  for (int c = 0; c < components_; ++c) {
    const jpeg_component_info& info = header.comp_info[c];
    if (!valid(info.dc_tbl_no) || !valid(info.ac_tbl_no) || !valid(info.quant_tbl_no)) return false;
    const JHUFF_TBL *dc = header.dc_huff_tbl_ptrs[info.dc_tbl_no], *ac = header.ac_huff_tbl_ptrs[info.ac_tbl_no];
    const JQUANT_TBL* const quantiser = header.quant_tbl_ptrs[info.quant_tbl_no];
    if (!dc || !ac || !quantiser) return false;
    const auto d = std::size_t(info.dc_tbl_no), a = std::size_t(info.ac_tbl_no);
    const HuffmanCode dc_code = code_of(*dc), ac_code = code_of(*ac);
    if (dc_code_[d] != dc_code) {
      dc_code_[d].reset();
      if (!dc_[d].build(dc_code, CodeOf::dc)) return false;
      dc_code_[d] = dc_code;
    }
    if (ac_code_[a] != ac_code) {
      ac_code_[a].reset();
      if (!builder_.build(ac_code, ac_[a])) return false;
      ac_code_[a] = ac_code;
    }
    Component& component = component_[std::size_t(c)];
    component.dc = &dc_[d];
    component.ac = &ac_[a];
    std::copy_n(quantiser->quantval, 64, component.quantiser);
  }
  return true;
}

void BaselineDecoder::find_window(const Roi& roi) {
  const int width = kBlock * h_, height = kBlock * v_, right = roi.left + roi.width, bottom = roi.top + roi.height;
  const int margin = 2 * (h_ - 1), margin_rows = v_ - 1; // A chroma sample is two pixels wide.
  window_.left = std::max(roi.left - margin, 0) / width;
  window_.right = std::min(divide_up(right + margin, width), mcus_across_);
  window_.top = std::max(roi.top - margin_rows, 0) / height;
  window_.bottom = std::min(divide_up(bottom + margin_rows, height), mcus_down_);
  // libjpeg makes two rows of 4:2:0 at once; the last two of an MCU row take the next MCU row.
  const bool reads_next = v_ == 2 && (bottom + 1) / 2 * 2 >= window_.bottom * height;
  window_.read_to = std::min(divide_up(window_.bottom + int(reads_next), rows_read_together_) * rows_read_together_, mcus_down_);
}

void BaselineDecoder::reserve(const Roi& roi, Buffer& canvas, int channels) {
  channels_ = channels;
  left_ = roi.left / h_ * h_;
  columns_ = roi.left + roi.width - left_;
  // Grey of colours is made in its row of RGB.
  row_bytes_ = std::ptrdiff_t(columns_) * (components_ == 1 ? channels : 3);
  row_bytes_ = (row_bytes_ + 63) / 64 * 64;
  pixels_ = canvas.reserve(std::size_t(row_bytes_) * std::size_t(roi.height) + kCanvasPad);
  const int across = window_.right - window_.left;
  for (int c = 0; c < components_; ++c) {
    Component& component = component_[std::size_t(c)];
    component.stride = std::ptrdiff_t(across) * component.h * kBlock + kPlanePad;
    component.row_mask = 2 * kBlock * component.v - 1;
    component.plane.reserve(std::size_t(component.stride) * std::size_t(component.row_mask + 1));
  }
  if (h_ == 2)
    for (Buffer& sums : sums_) sums.reserve((std::size_t(across) * kBlock + 2 * kSumsPad) * sizeof(std::uint16_t));
}

void BaselineDecoder::begin_scan() {
  reader_.limit = scan_.data() + scan_.size() + 8;
  reader_.blocks = block_rows_ = 0;
  for (int c = 0; c < components_; ++c) {
    const Component& component = component_[std::size_t(c)];
    for (int y = 0; y < component.v; ++y) {
      BlockRow& row = block_row_[std::size_t(block_rows_++)];
      row.component = c;
      row.y = y;
      for (int x = 0; x < component.h; ++x)
        reader_.block[reader_.blocks++] = {component.dc, component.ac, c, component.h, row.coefficients + 64 * x, row.extents + x};
    }
  }
  std::fill_n(reader_.prediction, kMaxComponents, 0u);
  kernels_->seek(reader_.in, scan_.data(), 0);
  interval_ = 0;
  interval_left_ = restart_interval_ > 0 ? restart_interval_ : std::numeric_limits<int>::max();
  wild_ = 0;
}

std::int64_t BaselineDecoder::bits_used() const { return (reader_.in.next - scan_.data()) * 8 - std::int64_t(reader_.in.count & 63); }

/// On to the next interval. libjpeg warns of bytes that are left over in one.
bool BaselineDecoder::restart() {
  const std::int64_t left = std::int64_t(scan_.end(interval_)) * 8 - bits_used();
  if (left < 0 || left >= 8) return false;
  ++interval_;
  std::fill_n(reader_.prediction, kMaxComponents, 0u);
  kernels_->seek(reader_.in, scan_.data(), std::uint64_t(scan_.begin(interval_)) * 8);
  interval_left_ = restart_interval_;
  return true;
}

/// Calls run(MCUs done before, MCUs) for each part of `mcus` that lies in one interval.
template <class Run>
bool BaselineDecoder::pass(int mcus, Run run) {
  for (int done = 0; done < mcus;) {
    if (interval_left_ == 0 && !restart()) return false;
    const int count = std::min(mcus - done, interval_left_);
    if (!run(done, count)) return false;
    done += count;
    interval_left_ -= count;
  }
  return true;
}

bool BaselineDecoder::skip(int mcus) {
  return pass(mcus, [this](int, int count) { return kernels_->skip(reader_, count); });
}

bool BaselineDecoder::decode_mcus(int mcus) {
  return pass(mcus, [this](int first, int count) { return kernels_->decode(reader_, first, count); });
}

/// One row of MCUs into the planes.
bool BaselineDecoder::decode_row(int row, const Roi& roi) {
  if (!skip(window_.left)) return false;
  const int at_once = kBlocksAtOnce / h_;
  for (int left = window_.left; left < window_.right; left += at_once) {
    const int mcus = std::min(at_once, window_.right - left);
    clear_blocks(mcus);
    if (!decode_mcus(mcus)) return false;
    transform(row, left, mcus, roi);
  }
  return skip(mcus_across_ - window_.right);
}

void BaselineDecoder::clear_blocks(int mcus) {
  for (int i = 0; i < block_rows_; ++i) {
    BlockRow& row = block_row_[std::size_t(i)];
    const std::size_t blocks = std::size_t(mcus * component_[std::size_t(row.component)].h);
    std::memset(row.coefficients, 0, (blocks + 1) * sizeof(std::int16_t) * 64);
    row.extents[blocks] = 1;
  }
}

void BaselineDecoder::transform(int row, int left, int mcus, const Roi& roi) {
  for (int i = 0; i < block_rows_; ++i) {
    BlockRow& blocks = block_row_[std::size_t(i)];
    Component& c = component_[std::size_t(blocks.component)];
    const int y = (row * c.v + blocks.y) * kBlock;
    const bool only_margin = blocks.component == 0 && (y + kBlock <= roi.top || y >= roi.top + roi.height); // Its chroma is wanted.
    if (only_margin) continue;
    const int count = mcus * c.h;
    blocks.coefficients[64 * count] = 0; // Where what has no place was put.
    const int ring_row = (y - window_.top * c.v * kBlock) & c.row_mask;
    std::uint8_t* const to = c.plane.data() + ring_row * c.stride + std::ptrdiff_t(left - window_.left) * c.h * kBlock;
    wild_ |= kernels_->inverse_dct(blocks.coefficients, blocks.extents, count, c.quantiser, to, c.stride);
  }
}

const std::uint8_t* BaselineDecoder::samples(const Component& c, int y, int x) const {
  const int ring_row = (y - window_.top * c.v * kBlock) & c.row_mask;
  return c.plane.data() + ring_row * c.stride + (x - window_.left * c.h * kBlock);
}

/// Chroma for row `y` of pixels, from the sample of the first column on; one before it and one behind the last are valid.
const std::uint16_t* BaselineDecoder::chroma(int component, int y) {
  const Component& c = component_[std::size_t(component)];
  std::uint16_t* const sums = reinterpret_cast<std::uint16_t*>(sums_[std::size_t(component - 1)].data()) + kSumsPad;
  const int first = left_ / 2, count = divide_up(columns_, 2), last = c.width - 1;
  const int from = std::max(first - 1, 0), to = std::min(first + count, last);
  if (v_ == 2) {
    const int nearer = y / 2, further = std::clamp(y % 2 == 0 ? nearer - 1 : nearer + 1, 0, c.height - 1);
    kernels_->blend(samples(c, nearer, from), samples(c, further, from), sums + from - first, to - from + 1);
  } else {
    kernels_->widen(samples(c, y, from), sums + from - first, to - from + 1);
  }
  if (first == 0) sums[-1] = sums[0];
  for (int x = last + 1; x <= first + count; ++x) sums[x - first] = sums[last - first];
  return sums;
}

/// Row `y` of the picture, from column `left_` on.
void BaselineDecoder::emit(int y, std::uint8_t* to) {
  const std::uint8_t* const luma = samples(component_[0], y, left_);
  if (components_ == 1 && channels_ == 1)
    std::memcpy(to, luma, std::size_t(columns_));
  else if (components_ == 1)
    kernels_->grey_row(luma, to, columns_);
  else if (h_ == 1)
    kernels_->row_444(luma, samples(component_[1], y, left_), samples(component_[2], y, left_), to, columns_);
  else
    (v_ == 2 ? kernels_->row_420 : kernels_->row_422)(luma, chroma(1, y), chroma(2, y), to, columns_);
  if (components_ == 3 && channels_ == 1) rgb_to_grey(to, columns_);
}

}  // namespace millrace::jpeg
