#pragma once
#include <cstdint>
#include <span>

#include <memory>

#include "datasets/file.h"

namespace millrace {

/// Unpacks a gzip file (RFC 1952, members one after another) piece by piece, into the caller's memory only: however much
/// a file would unpack to, no more than was asked for is ever written.
/// Threads: one caller.
/// Owns:    zlib's state and 64 KiB; `file` outlives it.
/// Zeros after the last member, as tapes and some file systems leave them, are no data (gzip itself passes over them).
/// Errors:  Error(data) with the offset in the compressed file: not gzip, damaged (the CRC is checked at a member's end),
///          ends early, bytes that are not zero after zeros.
class GzipReader {
 public:
  explicit GzipReader(const File& file);
  ~GzipReader();
  /// Fills `out`, or less where the unpacked data end: returns how many bytes there were.
  std::size_t read_some(std::span<std::uint8_t> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the file begins as gzip does (1f 8b).
bool is_gzip(const File& file);

}  // namespace millrace
