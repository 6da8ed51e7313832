#pragma once
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "pipeline/error.h"
#include "pipeline/source.h"

namespace millrace {

using Bytes = std::vector<std::uint8_t>;

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Bytes big_endian32(std::uint32_t v) {
  return {static_cast<std::uint8_t>(v >> 24), static_cast<std::uint8_t>(v >> 16), static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
}

inline Bytes counting(std::size_t count) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return bytes;
}

inline Bytes gzipped(const Bytes& plain) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
  Bytes packed(deflateBound(&stream, plain.size()) + 64);
  stream.next_in = const_cast<std::uint8_t*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// A folder of its own for each test, and verbs to fill it.
class DataFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-datasets-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    // Tests of permissions look at it as another user.
    std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::filesystem::path& name, const Bytes& bytes) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::filesystem::remove(folder_ / name);  // Writing over a file makes ext4 wait for the disk.
    std::ofstream(folder_ / name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void write(const std::filesystem::path& name, const std::string& text) const { write(name, Bytes(text.begin(), text.end())); }

  std::filesystem::path folder_;
};

/// What `action` throws as Error(kind): "message | hint"; a failed expectation otherwise.
inline std::string error_of(const std::function<void()>& action, ErrorKind kind = ErrorKind::data) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << "one line";
    EXPECT_FALSE(e.hint().empty()) << "no remedy for: " << e.what();
    return std::string(e.what()) + " | " + e.hint();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

/// Drops root's powers while it lives, so that permissions count.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : user_(::geteuid()) {
    if (user_ == 0) dropped_ = ::seteuid(65534) == 0;
  }
  ~WithoutPrivileges() {
    if (dropped_ && ::seteuid(user_) != 0) std::abort();
  }
  bool effective() const { return ::geteuid() != 0; }

 private:
  uid_t user_;
  bool dropped_ = false;
};

/// The data root, by MILLRACE_DATA or the project's own data folder.
inline std::filesystem::path data_root() {
  const char* named = std::getenv("MILLRACE_DATA");
  return named && *named ? named : std::filesystem::path(MILLRACE_SOURCE_DIR) / "data";
}

#define MILLRACE_NEEDS_DATA(path) \
  if (!std::filesystem::exists(data_root() / (path))) GTEST_SKIP() << (data_root() / (path)) << " is not there (MILLRACE_DATA names the data root)"

}  // namespace millrace
