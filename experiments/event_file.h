#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// CRC-32C (Castagnoli, reflected, 0x82F63B78), as RFC 3720 defines it.
std::uint32_t crc32c(std::string_view bytes);

/// A file of scalars that TensorBoard reads: TFRecords of protobuf Event messages (tensorflow/core/util/event.proto, whose few fields
/// are written by hand). Each record is one write: a file that is cut off loses its last record at most.
/// Threads: one caller.
/// Errors:  Error(usage) where the file cannot be made; Error(data) where it cannot be written.
class EventFile {
 public:
  /// A new file in `folder`, which is made, under a name that TensorBoard looks for. `seconds`: since 1970.
  EventFile(const std::string& folder, double seconds);
  /// What earlier files of the folder hold of this step and later ones is void.
  void restart(double seconds, std::int64_t step);
  void add(double seconds, std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars);
  const std::string& path() const { return path_; }

 private:
  void record(const std::string& message);
  std::string path_;
  std::ofstream file_;
};

}  // namespace millrace
