#pragma once
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio> // jpeglib.h needs it.
#include <span>

#include <jpeglib.h>

#include "pipeline/error.h"

namespace millrace {

/// What a message of libjpeg means for the pixels.
enum class JpegVerdict { benign, truncated, corrupt, unsupported, too_large };

/// `code` and `parameter` are msg_code and the second integer parameter of libjpeg's error manager (for stray bytes before a
/// marker: that marker).
JpegVerdict judge_jpeg_message(int code, int parameter);

/// One jpeg_decompress_struct that reads from memory, with errors that return instead of exiting. Only jpeg*.cpp include it.
/// Threads: one caller at a time.
/// Errors:  `run` returns false; `fault` then says why.
class JpegLibrary {
 public:
  explicit JpegLibrary(std::int64_t max_library_bytes, int max_scans);
  ~JpegLibrary();
  JpegLibrary(const JpegLibrary&) = delete;
  JpegLibrary& operator=(const JpegLibrary&) = delete;

  jpeg_decompress_struct& cinfo() { return cinfo_; }
  /// Drops the picture in progress and points the source at `bytes`.
  void open(std::span<const std::uint8_t> bytes);
  /// Gives the picture's memory back: what was read of it is forgotten.
  void release() { jpeg_abort_decompress(&cinfo_); }
  /// Calls libjpeg inside `steps`. A failure leaves it by longjmp: `steps` and what it calls hold no objects with destructors.
  template <class Steps>
  [[nodiscard]] bool run(Steps steps) {
    if (setjmp(escape_) != 0) return false;
    steps();
    return true;
  }
  /// For use inside `run`.
  [[noreturn]] void fail(JpegVerdict verdict, const char* message);
  Fault fault() const;

  /// Since `open`: benign warnings, and the components for which a scan was seen (bit i, files of several scans only).
  std::uint64_t warnings() const { return warnings_; }
  unsigned scanned_components() const { return scanned_components_; }
  std::uint64_t position() const { return size_ - source_.bytes_in_buffer; }
  /// Counts scans and components while jpeg_start_decompress reads them.
  void watch_scans() { cinfo_.progress = &progress_; }

 private:
  static JpegLibrary& of(j_common_ptr cinfo) { return *static_cast<JpegLibrary*>(cinfo->client_data); }
  static void on_error(j_common_ptr cinfo);
  static void on_message(j_common_ptr cinfo, int level);
  static boolean on_empty(j_decompress_ptr cinfo);
  static void on_skip(j_decompress_ptr cinfo, long bytes);
  static void on_progress(j_common_ptr cinfo);
  static void* allocate_small(j_common_ptr cinfo, int pool, std::size_t bytes);
  void forget_tables();

  jpeg_decompress_struct cinfo_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  jmp_buf escape_;
  /// libjpeg keeps quantisation and Huffman tables from picture to picture, so that a file without its own would take those
  /// of whatever this handle decoded before. It gets them from here instead, and `open` takes them back.
  std::array<JQUANT_TBL, NUM_QUANT_TBLS> quantisation_;
  std::array<JHUFF_TBL, 2 * NUM_HUFF_TBLS> huffman_;
  std::size_t quantisation_used_ = 0, huffman_used_ = 0;
  decltype(jpeg_memory_mgr::alloc_small) library_alloc_small_ = nullptr;
  std::uint64_t size_ = 0, warnings_ = 0;
  unsigned scanned_components_ = 0;
  int max_scans_;
  JpegVerdict verdict_ = JpegVerdict::corrupt;
  std::uint64_t failed_at_ = 0;
  char message_[JMSG_LENGTH_MAX] = {};
};

}  // namespace millrace
