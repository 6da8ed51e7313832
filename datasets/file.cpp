#include "datasets/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace millrace {

Error data_error(const std::filesystem::path& path, const std::string& cause, const std::string& hint) {
  return Error(ErrorKind::data, path.string() + ": " + cause, hint);
}

Error data_error(const std::filesystem::path& path, std::uint64_t offset_bytes, const std::string& cause, const std::string& hint) {
  return data_error(path, "byte " + std::to_string(offset_bytes) + ": " + cause, hint);
}

std::string system_message(int error_number) { return std::generic_category().message(error_number); }

File::File(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a named pipe would otherwise wait for its writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    const int why = errno;
    throw data_error(path, "cannot be opened: " + system_message(why),
                     why == EACCES ? "make the file and its folders readable" : "check the path");
  }
  struct stat status {};
  std::string cause;
  if (::fstat(descriptor_, &status) != 0) cause = "cannot be examined: " + system_message(errno);
  else if (S_ISDIR(status.st_mode)) cause = "is a folder where a file should be";
  else if (!S_ISREG(status.st_mode)) cause = "is not a regular file";
  if (!cause.empty()) {
    ::close(descriptor_);
    throw data_error(path, cause, "put the data set's file there");
  }
  size_bytes_ = static_cast<std::uint64_t>(status.st_size);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_bytes_(other.size_bytes_) {}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t File::read_some(std::uint64_t offset_bytes, std::span<std::uint8_t> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset_bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw data_error(path_, offset_bytes + done, "cannot be read: " + system_message(errno), "check the disk and the file");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void File::read(std::uint64_t offset_bytes, std::span<std::uint8_t> out) const {
  const std::size_t got = read_some(offset_bytes, out);
  if (got < out.size()) {
    throw data_error(path_, offset_bytes + got, "the file ends where " + std::to_string(out.size() - got) + " more bytes should be",
                     "the file is truncated: fetch it again");
  }
}

SetMemory::SetMemory(std::uint64_t bytes) : bytes_(bytes) {
  constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
  const std::uint64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const std::uint64_t rounded = (std::max<std::uint64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  memory_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(alignment, rounded)));
  if (!memory_) throw std::bad_alloc();
  // Only advice: where the kernel refuses, pages are small and reads a little slower.
  if (alignment == kHugePage) (void)::madvise(memory_.get(), rounded, MADV_HUGEPAGE);
}

void SetMemory::Free::operator()(std::uint8_t* p) const { std::free(p); }

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  constexpr std::uint64_t kLimitBytes = 64 << 10;
  const File file(path);
  if (file.size_bytes() > kLimitBytes) {
    throw data_error(path, "has " + std::to_string(file.size_bytes()) + " bytes, a list of class names at most 65536", "put the set's own list there");
  }
  std::vector<std::uint8_t> bytes(file.size_bytes());
  file.read(0, bytes);
  std::vector<std::string> lines;
  std::string line;
  const auto finish = [&] {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    line.clear();
  };
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') finish();
    else line.push_back(static_cast<char>(byte));
  }
  finish();
  return lines;
}

}  // namespace millrace
