#pragma once
#include <cstdint>

namespace millrace {

/// What a Decoder may be as well: one that says what it takes in memory beside the canvas, so that a forecast can hold it.
class DecodeMemory {
 public:
  virtual ~DecodeMemory() = default;
  /// Of decoding all of the picture whose header was read last: its library's memory and its own, in bytes. 0: little, whatever the size.
  virtual std::uint64_t decode_bytes() const = 0;
};

}  // namespace millrace
