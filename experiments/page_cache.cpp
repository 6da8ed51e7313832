#include "experiments/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "experiments/memory.h"

namespace millrace {
namespace {

/// A file that is open for reading, or not.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::uint64_t size_of(const std::string& path) {
  struct stat s{};
  return stat(path.c_str(), &s) == 0 && S_ISREG(s.st_mode) ? static_cast<std::uint64_t>(s.st_size) : 0;
}

/// Of a file that one may only read, and that is another's, mincore says that all of it is in memory (since Linux 5.2).
bool tells_pages(const std::string& path) {
  struct stat s{};
  return access(path.c_str(), W_OK) == 0 || (stat(path.c_str(), &s) == 0 && s.st_uid == geteuid());
}

/// Adds to the pages of a file, and to those of them that are in memory.
void count_pages(const OpenFile& file, std::uint64_t bytes, std::uint64_t& pages, std::uint64_t& there) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
  if (file.fd() < 0 || bytes == 0) return;
  void* map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (map == MAP_FAILED) return;
  std::vector<unsigned char> in_memory((bytes + page - 1) / page);
  if (mincore(map, bytes, in_memory.data()) == 0) {
    pages += in_memory.size();
    there += static_cast<std::uint64_t>(std::ranges::count_if(in_memory, [](unsigned char c) { return c & 1; }));
  }
  munmap(map, bytes);
}

}  // namespace

std::vector<std::string> files_of(const Source& source, const std::vector<std::uint64_t>& indices) {
  std::set<std::string> files;
  for (const std::uint64_t index : indices)
    if (std::string path = source.origin(index); size_of(path) > 0) files.insert(std::move(path));
  return {files.begin(), files.end()};
}

std::optional<double> drop_from_cache(const std::vector<std::string>& files) {
  constexpr std::size_t kLookedAt = 64;
  std::uint64_t pages = 0, there = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const OpenFile file(files[i]);
    if (file.fd() < 0) continue;
    posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    if (i < kLookedAt && tells_pages(files[i])) count_pages(file, size_of(files[i]), pages, there);
  }
  if (pages == 0) return std::nullopt;
  return double(there) / double(pages);
}

std::uint64_t bytes_in_files(const Source& source) {
  constexpr std::uint64_t kLookedAt = 500;
  const std::uint64_t count = std::min(source.size(), kLookedAt), stride = source.size() / count;
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) bytes += size_of(source.origin(i * stride));
  return static_cast<std::uint64_t>(double(bytes) / double(count) * double(source.size()));
}

std::uint64_t cache_bytes_there() {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word;)
    if (std::uint64_t kib = 0; word == "MemAvailable:" && in >> kib) return std::min(kib * 1024, cgroup_memory().value_or(kib * 1024));
  return 0;
}

}  // namespace millrace
