#pragma once
#include "pipeline/buffer.h"

namespace millrace {

/// Gives a decoder's own buffer back where one picture has made it larger than usual ones do: no forecast holds it.
inline void release_large(Buffer& buffer) {
  constexpr std::size_t kKeptBytes = std::size_t{8} << 20;
  if (buffer.capacity_bytes() > kKeptBytes) buffer = {};
}

}  // namespace millrace
