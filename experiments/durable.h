#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace millrace {

/// Files and folders that are there after a power cut, or are not: the system calls of a checkpoint's writing and removal.
/// Threads: one caller.
/// Errors:  Error(data) "path: call: cause".
class Durable {
 public:
  /// Called before every system call with its name and path: the number of an error to pretend, or 0. Tests interrupt here.
  using Before = std::function<int(const char* call, const std::string& path)>;
  explicit Durable(Before before = {}) : before_(std::move(before)) {}

  void make_folder(const std::string& path) const;
  void flush_folder(const std::string& path) const;                              ///< Its list of names reaches the disk.
  void rename(const std::string& from, const std::string& to) const;
  void remove_all(const std::string& folder) const;                              ///< A folder of files; one that is not there is fine.

  /// A new file, written piece after piece; `finish` brings it to the disk. Destroyed before that, it is left unfinished.
  class File {
   public:
    File(const Durable& durable, std::string path);
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    void write(std::span<const std::byte> piece);
    void finish();

   private:
    const Durable& durable_;
    const std::string path_;
    int descriptor_ = -1;
  };

 private:
  int interrupted(const char* call, const std::string& path) const;
  void call(const char* name, const std::string& path, const std::function<int()>& system) const;
  Before before_;
};

}  // namespace millrace
