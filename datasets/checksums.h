#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "datasets/file.h"

namespace millrace {

/// What a sum that differs from the published one means: an error, one warning, or no sum is taken at all.
enum class Verify : std::uint8_t { strict, warn, off };

using WarningSink = std::function<void(const std::string&)>;

/// What is known of one file. Known are the four files of MNIST and of Fashion-MNIST: the MD5 of the .gz as published
/// (torchvision's `MNIST.resources`; Fashion-MNIST's README) and the SHA-256 of what those very files unpack to. A source
/// compares the SHA-256 of the unpacked bytes, since a file may have been compressed anew; the MD5 is for downloads.
/// Of CIFAR-10 and CIFAR-100 only sums of the archives were published (cifar-10-binary.tar.gz
/// c32a1d4ab5d03f1284b67883e8d87530, cifar-100-binary.tar.gz 03b5dce01913d631647c71ecec9e9cb8, MD5), which say nothing of
/// unpacked files: there the number of records is compared instead.
struct KnownFile {
  std::string_view set, file; ///< "mnist", "train-images-idx3-ubyte".
  std::string_view gzip_md5, sha256;
};
std::span<const KnownFile> known_files();
/// Null where nothing is known.
const KnownFile* find_known(std::string_view set, std::string_view file);

/// A message digest, fed piece by piece (OpenSSL).
/// Threads: one caller. Errors: Error(internal) where the library lacks the algorithm.
class Checksum {
 public:
  enum class Kind : std::uint8_t { md5, sha256 };
  explicit Checksum(Kind kind);
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  void add(std::span<const std::uint8_t> bytes);
  std::string finish(); ///< Lower-case hexadecimal; the object is spent.

 private:
  void* context_;
};
/// Of a whole file, read through a small buffer.
std::string checksum_of(const File& file, Checksum::Kind kind);

/// Tells of data that are not the published ones: throws in `strict`, otherwise calls `warn` once, if there is one.
/// The text is "PATH: CAUSE".
void report_unpublished(const std::filesystem::path& path, const std::string& cause, Verify verify, const WarningSink& warn);

}  // namespace millrace
