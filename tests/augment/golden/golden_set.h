#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// Reads the golden vectors: see tests/golden and the README that came with them (Pillow 9.4.0, torchvision 0.14.1).
namespace millrace::test {

struct GoldenImage {
  int width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< Contiguous, interleaved.
};

/// Parameters by name; `take` marks them as used, so that a key nobody knows is a failure.
class GoldenParameters {
 public:
  explicit GoldenParameters(const std::string& text);
  double real(const std::string& key);
  int integer(const std::string& key) { return static_cast<int>(real(key)); }
  bool has(const std::string& key) const { return values_.count(key) > 0; }
  /// Keys that were never read, separated by blanks.
  std::string unread() const;

 private:
  struct Value {
    double number;
    bool read;
  };
  std::map<std::string, Value> values_;
};

struct GoldenCase {
  int number = 0;
  std::string group, op, image, parameters, dtype, tolerance;
  int width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> expected;
};

struct GoldenSet {
  std::map<std::string, GoldenImage> images;
  std::vector<GoldenCase> cases;
};

/// MILLRACE_GOLDEN, or the folder in tests/.
std::string golden_folder();
bool golden_folder_is_ours();
/// Throws std::runtime_error for files that do not fit together.
GoldenSet read_golden(const std::string& folder);

}  // namespace millrace::test
