#include "experiments/durable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "pipeline/error.h"

namespace millrace {

namespace {

Error failed(const char* call, const std::string& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  return {ErrorKind::data, path + ": " + call + ": " + std::strerror(number), full ? "make room on the disk, or keep fewer checkpoints" : ""};
}

}  // namespace

int Durable::interrupted(const char* call, const std::string& path) const { return before_ ? before_(call, path) : 0; }

void Durable::call(const char* name, const std::string& path, const std::function<int()>& system) const {
  if (const int number = interrupted(name, path)) throw failed(name, path, number);
  int result = 0;
  do result = system();
  while (result < 0 && errno == EINTR);
  if (result < 0) throw failed(name, path, errno);
}

void Durable::make_folder(const std::string& path) const {
  call("mkdir", path, [&] { return ::mkdir(path.c_str(), 0755); });
}

void Durable::flush_folder(const std::string& path) const {
  int descriptor = -1;
  call("open", path, [&] { return descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  try {
    // Some network file systems flush folders by themselves and refuse to be asked.
    call("fsync", path, [&] { return ::fsync(descriptor) < 0 && errno != EINVAL ? -1 : 0; });
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  ::close(descriptor);
}

void Durable::rename(const std::string& from, const std::string& to) const {
  call("rename", to, [&] { return std::rename(from.c_str(), to.c_str()); });
}

void Durable::remove_all(const std::string& folder) const {
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) files.push_back(it->path().string());
  if (error == std::errc::no_such_file_or_directory) return;
  if (error) throw failed("readdir", folder, error.value());
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) call("unlink", file, [&] { return ::unlink(file.c_str()); });
  call("rmdir", folder, [&] { return ::rmdir(folder.c_str()); });
}

Durable::File::File(const Durable& durable, std::string path) : durable_(durable), path_(std::move(path)) {
  durable_.call("open", path_, [&] { return descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644); });
}

Durable::File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Durable::File::write(std::span<const std::byte> piece) {
  constexpr std::size_t kMost = std::size_t{8} << 20; // So that one call cannot take long, nor more than a call may write.
  while (!piece.empty()) {
    const std::size_t most = std::min(piece.size(), kMost);
    if (const int number = durable_.interrupted("write", path_)) {
      // As a disk that fills up does it: a part still goes.
      if (::write(descriptor_, piece.data(), most / 2) < 0) throw failed("write", path_, errno);
      throw failed("write", path_, number);
    }
    const ssize_t n = ::write(descriptor_, piece.data(), most);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw failed("write", path_, errno);
    piece = piece.subspan(static_cast<std::size_t>(n));
  }
}

void Durable::File::finish() {
  durable_.call("fsync", path_, [&] { return ::fsync(descriptor_); });
  const int descriptor = std::exchange(descriptor_, -1);
  if (const int number = durable_.interrupted("close", path_)) {
    ::close(descriptor);
    throw failed("close", path_, number);
  }
  // Never twice, whatever it says: the number may be another file's by then.
  if (::close(descriptor) < 0 && errno != EINTR) throw failed("close", path_, errno);
}

}  // namespace millrace
