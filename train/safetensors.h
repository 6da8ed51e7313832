#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::train {

/// A tensor's element type, under the format's names; sub-byte and complex types are not known here.
enum class TensorType : std::uint8_t { boolean, u8, i8, f8_e4m3, f8_e5m2, u16, i16, f16, bf16, u32, i32, f32, u64, i64, f64 };
std::string_view name_of(TensorType type);  ///< "F32"
std::size_t bytes_of(TensorType type);

/// A named tensor whose elements lie in memory, row-major and little-endian. Owns nothing of the elements.
struct TensorView {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::uint64_t> shape;    ///< Empty: a scalar.
  std::span<const std::byte> bytes;
};

/// What a file says of one of its tensors.
struct TensorEntry {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::uint64_t> shape;
  std::uint64_t offset_bytes = 0;      ///< From the beginning of the file.
  std::uint64_t bytes = 0;
};

using Metadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;    ///< In the order of their bytes.
  Metadata metadata;
};

/// Reads the header of a file of `file_bytes` bytes; `text` is its JSON. Stricter than the format's own reader, so that a file
/// has one meaning: no name twice, no other keys, elements that fill the file without gap or overlap.
/// Memory: bounded by the text's length. Errors: Error(data), "name: byte N: cause".
/// Source: the format's description, github.com/huggingface/safetensors (README, "Format").
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_bytes, const std::string& name);

/// A safetensors file, open for reading. Elements are read, not mapped: a file cut short meanwhile is an error, not a signal.
/// Threads: any, at once.
/// Errors:  Error(data), with file, place and cause: missing, not of this format, over the limits (100 MB of header, as the
///          format's own reader), cut or grown.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::vector<TensorEntry>& tensors() const { return header_.tensors; }
  const Metadata& metadata() const { return header_.metadata; }
  const TensorEntry* find(std::string_view name) const;                          ///< Null where there is none.
  void read(const TensorEntry& tensor, std::span<std::byte> into) const;         ///< `into` is tensor.bytes long.

 private:
  const std::string path_;
  int descriptor_ = -1;
  SafetensorsHeader header_;
  std::map<std::string_view, std::size_t> by_name_;
};

/// Gives a file to `sink`, piece after piece, in the format's canonical order: wider types first, then by name, so that every
/// tensor is aligned to its type. The same tensors give the same bytes.
/// Contract: names differ; spans are as long as shapes and types say.
void write_safetensors(std::span<const TensorView> tensors, const Metadata& metadata,
                       const std::function<void(std::span<const std::byte>)>& sink);

/// The same, to a file. Errors: Error(usage) where it cannot be written whole.
void write_safetensors(std::span<const TensorView> tensors, const Metadata& metadata, const std::string& path);

}  // namespace millrace::train
