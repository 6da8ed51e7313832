#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/error.h"

namespace millrace {

/// "PATH: byte 16: CAUSE" (the offset only where it is given), with the remedy as the hint.
Error data_error(const std::filesystem::path& path, const std::string& cause, const std::string& hint);
Error data_error(const std::filesystem::path& path, std::uint64_t offset_bytes, const std::string& cause, const std::string& hint);

/// The system's text for an errno, safe to call from any thread.
std::string system_message(int error_number);

/// A regular file, opened for reading; its size is what it was at opening.
/// Threads: `read` from any thread (it uses pread).
/// Owns:    the descriptor.
/// Errors:  Error(data) naming the file: missing, not permitted, a folder or another thing that is not a regular file.
class File {
 public:
  explicit File(const std::filesystem::path& path);
  File(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  /// Fills `out` from `offset_bytes` on; Error(data) where the file ends before.
  void read(std::uint64_t offset_bytes, std::span<std::uint8_t> out) const;
  /// The same, but the file may end: returns how many bytes there were.
  std::size_t read_some(std::uint64_t offset_bytes, std::span<std::uint8_t> out) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_bytes_ = 0;
};

/// Memory for a whole set: 2 MiB aligned and advised to use huge pages, because pictures are read in random order and
/// would otherwise miss the TLB each time. Pages are touched only when written.
/// Errors: std::bad_alloc.
class SetMemory {
 public:
  SetMemory() = default;
  explicit SetMemory(std::uint64_t bytes);
  std::uint8_t* data() const { return memory_.get(); }
  std::uint64_t size_bytes() const { return bytes_; }
  std::span<std::uint8_t> span() const { return {memory_.get(), bytes_}; }

 private:
  struct Free {
    void operator()(std::uint8_t* p) const;
  };
  std::unique_ptr<std::uint8_t, Free> memory_;
  std::uint64_t bytes_ = 0;
};

/// The lines of a small text file (at most 64 KiB) without blank ones; CRLF is understood.
/// Errors: Error(data) for a larger file.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace millrace
