#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/buffer.h"
#include "pipeline/error.h"
#include "pipeline/image.h"

namespace millrace {

/// What a source hands over for one index: encoded bytes (a JPEG file, say), or pixels that need no decoding.
struct Sample {
  std::span<const std::uint8_t> bytes; ///< Encoded: the file. Raw: empty.
  ImageView pixels;                    ///< Raw: the picture. Encoded: empty.
  std::int64_t label = 0;
  bool raw() const { return pixels.data != nullptr; }
};

/// What is known of a data set without reading a sample.
struct SourceInfo {
  std::string name;                 ///< As in a spec's `data.name`.
  std::vector<std::string> classes; ///< Names, one a label 0 .. n-1.
  Size raw_size;                    ///< Of every picture, where all are raw and alike; otherwise 0 x 0.
  int channels = 3;                 ///< 1 or 3: what the pictures become.
  std::string fingerprint;          ///< Digest of what the set holds: equal sets give equal text.
  std::string path = {};            ///< The folder it was opened from, as it was named; empty: none.
  std::vector<std::uint64_t> class_sizes = {}; ///< Samples of each class; empty: not counted.
  std::string unreadable = {};      ///< Where opening it showed that some samples cannot be read: where, how many and why. Else empty.
};

/// A data set of numbered samples.
/// Threads: `read` is called from many threads at once, each with its own scratch.
/// Owns:    its files and memory. Encoded bytes live in `scratch` (until its next use) or in the source; raw pixels of a
///          source with a `raw_size` live in the source, since many such rows travel in one message.
/// Errors:  constructors throw Error(data); `read` returns a Fault for the one sample.
class Source {
 public:
  virtual ~Source() = default;
  virtual const SourceInfo& info() const = 0;
  virtual std::uint64_t size() const = 0;
  virtual Expected<Sample> read(std::uint64_t index, Buffer& scratch) const = 0;
  /// As `read`, but of encoded bytes the first `most` may be enough: for who wants a header alone.
  virtual Expected<Sample> read_head(std::uint64_t index, Buffer& scratch, std::uint64_t most) const {
    static_cast<void>(most);
    return read(index, scratch);
  }
  virtual std::string origin(std::uint64_t index) const = 0; ///< Path, or "name[index]".
};

}  // namespace millrace
