#pragma once
#include <atomic>
#include <cstdint>

namespace millrace {

/// Which way delivered JPEG pictures took, summed over decoders: those of a loader's workers and of its cache, say.
/// Threads: any.
struct JpegWays {
  std::atomic<std::uint64_t> fast{0};     ///< Through jpeg/baseline_decoder.h.
  std::atomic<std::uint64_t> library{0};  ///< Through libjpeg-turbo alone.
};

}  // namespace millrace
