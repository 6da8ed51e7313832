#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"

/// The rule of the fast decoder, as a check: whatever the bytes, the answer is libjpeg-turbo's.
namespace millrace::test {

/// A file with some of its bytes changed, removed or doubled, or cut off and closed again. `scan`: where its scan begins.
File damaged(const File& file, std::size_t scan, std::mt19937_64& random);
/// Behind the last SOS segment; the end of the file where there is none.
std::size_t scan_of(const File& file);

/// Decodes files with the fast decoder and without.
class BothDecoders {
 public:
  /// `max_pixels`: a hostile size would cost the time of many files.
  explicit BothDecoders(int channels = 3, std::int64_t max_pixels = 1 << 20)
      : fast_({.channels = channels, .max_pixels = max_pixels}), library_({.channels = channels, .max_pixels = max_pixels, .fast = false}) {}
  /// What differs for a crop: delivered or not, the fault's kind, words and offset, the warnings counted, or the pixels. The bytes lie in memory
  /// of exactly their size, so that a sanitizer sees reading beyond.
  std::optional<std::string> difference(std::span<const std::uint8_t> bytes, std::mt19937_64& random);

  std::uint64_t files() const { return files_; }         ///< That had a header.
  std::uint64_t delivered() const { return library_.counts().decoded; }
  std::uint64_t taken() const { return fast_.counts().fast; } ///< By the fast decoder.

 private:
  JpegDecoder fast_, library_;
  Buffer fast_canvas_, library_canvas_;
  std::uint64_t files_ = 0;
};

}  // namespace millrace::test
