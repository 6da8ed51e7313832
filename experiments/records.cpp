#include "experiments/records.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "experiments/record_check.h"
#include "experiments/text_file.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

std::string file_of(const std::string& folder) { return (std::filesystem::path(folder) / "results.jsonl").string(); }

/// Length of the file up to and with its last newline.
off_t whole_lines(int descriptor) {
  off_t end = lseek(descriptor, 0, SEEK_END);
  char c = 0;
  while (end > 0 && pread(descriptor, &c, 1, end - 1) == 1 && c != '\n') --end;
  return end;
}

}  // namespace

RecordFile::RecordFile(const std::string& folder) : path_(file_of(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorKind::usage, folder + ": cannot be made: " + error.message(), "name another folder with --out");
  descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw Error(ErrorKind::usage, path_ + ": cannot be written: " + std::strerror(errno), "name another folder with --out");
  // Two writers would repair and number each other's lines. File systems without locks (some network ones) go without.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor_);
    throw Error(ErrorKind::usage, path_ + ": another process is writing it", "wait for its end, or name another folder with --out");
  }
  const off_t size = lseek(descriptor_, 0, SEEK_END), whole = whole_lines(descriptor_);
  repaired_ = whole < size && ftruncate(descriptor_, whole) == 0;
}

RecordFile::~RecordFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void RecordFile::append(const Json& record) {
  const std::string line = line_of(record) + "\n";
  const off_t before = lseek(descriptor_, 0, SEEK_END);
  const ssize_t written = write(descriptor_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return;
  const int reason = written < 0 ? errno : ENOSPC;
  // The next line would go on in the middle of this one.
  const bool taken_back = written <= 0 || ftruncate(descriptor_, before) == 0;
  throw Error(ErrorKind::data, path_ + ": a line could not be written whole: " + std::strerror(reason) + (taken_back ? "" : ", nor be taken back"),
              "is the disk full?");
}

std::vector<Json> read_records(const std::string& folder, bool may_lack) {
  const std::string path = file_of(folder);
  std::ifstream in(path);
  std::vector<Json> out;
  if (!in) {
    if (may_lack) return out;
    throw Error(ErrorKind::data, path + ": no such file", "name the folder that a study or training run wrote (--out)");
  }
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const bool unfinished = in.eof();
    constexpr std::size_t kDeepest = 64;
    Json record = depth_of(line) > kDeepest ? Json() : Json::parse(line, nullptr, false);
    const std::string wrong = wrong_in_record(record);
    if (wrong.empty())
      out.push_back(std::move(record));
    else if (!unfinished)
      throw Error(ErrorKind::data, path + ":" + std::to_string(number) + ": " + wrong, "remove the line, or start in another folder");
  }
  return out;
}

}  // namespace millrace
