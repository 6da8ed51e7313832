#include "pipeline/jpeg_library.h"

#include <algorithm>
#include <cstring>
#include <new>

#include <jerror.h>

namespace millrace {

JpegVerdict judge_jpeg_message(int code, int parameter) {
  switch (code) {
    case JWRN_ADOBE_XFORM:    // Taken as YCbCr or YCCK, as every reader does.
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL: // The scan's spectral bounds are ignored in a sequential file.
    case JWRN_BOGUS_ICC:
    case JWRN_TOO_MUCH_DATA: return JpegVerdict::benign;
    case JWRN_EXTRANEOUS_DATA: { // Before a restart marker the interval held more than its blocks: bits went astray.
      const bool restart_marker = parameter >= 0xD0 && parameter <= 0xD7;
      return restart_marker ? JpegVerdict::corrupt : JpegVerdict::benign;
    }
    case JWRN_JPEG_EOF:
    case JERR_INPUT_EOF: return JpegVerdict::truncated;
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_BAD_J_COLORSPACE:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED: return JpegVerdict::unsupported;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW:
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE: return JpegVerdict::too_large;
    default: return JpegVerdict::corrupt;
  }
}

JpegLibrary::JpegLibrary(std::int64_t max_library_bytes, int max_scans) : max_scans_(max_scans) {
  cinfo_.err = jpeg_std_error(&errors_);
  cinfo_.client_data = this;
  errors_.error_exit = on_error;
  errors_.emit_message = on_message;
  if (!run([this] { jpeg_create_decompress(&cinfo_); })) {
    jpeg_destroy_decompress(&cinfo_);
    throw std::bad_alloc();
  }
  cinfo_.mem->max_memory_to_use = max_library_bytes;
  library_alloc_small_ = cinfo_.mem->alloc_small;
  cinfo_.mem->alloc_small = allocate_small;
  source_.init_source = [](j_decompress_ptr) {};
  source_.fill_input_buffer = on_empty;
  source_.skip_input_data = on_skip;
  source_.resync_to_restart = jpeg_resync_to_restart;
  source_.term_source = [](j_decompress_ptr) {};
  cinfo_.src = &source_;
  progress_.progress_monitor = on_progress;
}

JpegLibrary::~JpegLibrary() { jpeg_destroy_decompress(&cinfo_); }

void JpegLibrary::open(std::span<const std::uint8_t> bytes) {
  jpeg_abort_decompress(&cinfo_);
  forget_tables();
  source_.next_input_byte = bytes.data();
  source_.bytes_in_buffer = bytes.size();
  size_ = bytes.size();
  warnings_ = 0;
  scanned_components_ = 0;
  cinfo_.progress = nullptr;
}

void JpegLibrary::forget_tables() {
  std::fill_n(cinfo_.quant_tbl_ptrs, NUM_QUANT_TBLS, nullptr);
  std::fill_n(cinfo_.dc_huff_tbl_ptrs, NUM_HUFF_TBLS, nullptr);
  std::fill_n(cinfo_.ac_huff_tbl_ptrs, NUM_HUFF_TBLS, nullptr);
  quantisation_used_ = huffman_used_ = 0;
}

/// After its creation a handle allocates nothing permanent but these tables.
void* JpegLibrary::allocate_small(j_common_ptr cinfo, int pool, std::size_t bytes) {
  JpegLibrary& self = of(cinfo);
  if (pool == JPOOL_PERMANENT && bytes == sizeof(JQUANT_TBL) && self.quantisation_used_ < self.quantisation_.size())
    return &self.quantisation_[self.quantisation_used_++];
  if (pool == JPOOL_PERMANENT && bytes == sizeof(JHUFF_TBL) && self.huffman_used_ < self.huffman_.size())
    return &self.huffman_[self.huffman_used_++];
  return self.library_alloc_small_(cinfo, pool, bytes);
}

void JpegLibrary::fail(JpegVerdict verdict, const char* message) {
  verdict_ = verdict;
  failed_at_ = position();
  if (message != message_) {
    std::strncpy(message_, message, sizeof message_ - 1);
    message_[sizeof message_ - 1] = '\0';
  }
  longjmp(escape_, 1);
}

Fault JpegLibrary::fault() const {
  Fault fault;
  switch (verdict_) {
    case JpegVerdict::truncated: fault.kind = FaultKind::truncated; break;
    case JpegVerdict::unsupported: fault.kind = FaultKind::unsupported; break;
    case JpegVerdict::too_large: fault.kind = FaultKind::too_large; break;
    case JpegVerdict::benign:
    case JpegVerdict::corrupt: fault.kind = FaultKind::corrupt; break;
  }
  fault.offset_bytes = failed_at_;
  fault.detail = message_;
  return fault;
}

void JpegLibrary::on_error(j_common_ptr cinfo) {
  JpegLibrary& self = of(cinfo);
  cinfo->err->format_message(cinfo, self.message_);
  self.fail(judge_jpeg_message(cinfo->err->msg_code, cinfo->err->msg_parm.i[1]), self.message_);
}

void JpegLibrary::on_message(j_common_ptr cinfo, int level) {
  if (level >= 0) return; // Tracing.
  const JpegVerdict verdict = judge_jpeg_message(cinfo->err->msg_code, cinfo->err->msg_parm.i[1]);
  JpegLibrary& self = of(cinfo);
  if (verdict == JpegVerdict::benign) {
    ++self.warnings_;
    return;
  }
  cinfo->err->format_message(cinfo, self.message_);
  self.fail(verdict, self.message_);
}

boolean JpegLibrary::on_empty(j_decompress_ptr cinfo) {
  of(reinterpret_cast<j_common_ptr>(cinfo)).fail(JpegVerdict::truncated, "the file ends before its picture does");
}

void JpegLibrary::on_skip(j_decompress_ptr cinfo, long bytes) {
  if (bytes <= 0) return;
  JpegLibrary& self = of(reinterpret_cast<j_common_ptr>(cinfo));
  if (std::uint64_t(bytes) > self.source_.bytes_in_buffer) self.fail(JpegVerdict::truncated, "the file ends inside a segment");
  self.source_.next_input_byte += bytes;
  self.source_.bytes_in_buffer -= std::size_t(bytes);
}

/// Installed for files of several scans. libjpeg calls it between all steps of reading them.
void JpegLibrary::on_progress(j_common_ptr common) {
  JpegLibrary& self = of(common);
  const jpeg_decompress_struct& cinfo = self.cinfo_;
  if (cinfo.input_scan_number > self.max_scans_) self.fail(JpegVerdict::too_large, "more scans than data.max_scans allows");
  for (int i = 0; i < cinfo.comps_in_scan; ++i) self.scanned_components_ |= 1u << cinfo.cur_comp_info[i]->component_index;
}

}  // namespace millrace
