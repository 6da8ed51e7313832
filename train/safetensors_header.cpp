// The header of a safetensors file: JSON of one fixed shape, two objects deep, so its grammar is the parser and nothing recurses.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>

#include "pipeline/error.h"
#include "train/safetensors.h"

namespace millrace::train {
namespace {

struct TypeEntry {
  std::string_view name;
  std::size_t bytes;
};
// In the order of TensorType.
constexpr std::array kTypes{TypeEntry{"BOOL", 1}, TypeEntry{"U8", 1},  TypeEntry{"I8", 1},   TypeEntry{"F8_E4M3", 1}, TypeEntry{"F8_E5M2", 1},
                            TypeEntry{"U16", 2},  TypeEntry{"I16", 2}, TypeEntry{"F16", 2},  TypeEntry{"BF16", 2},    TypeEntry{"U32", 4},
                            TypeEntry{"I32", 4},  TypeEntry{"F32", 4}, TypeEntry{"U64", 8},  TypeEntry{"I64", 8},     TypeEntry{"F64", 8}};
static_assert(kTypes.size() == static_cast<std::size_t>(TensorType::f64) + 1);

constexpr std::uint64_t kHeaderBegins = 8;
constexpr std::size_t kMaxDimensions = 64; // As torch.

bool overflows(std::uint64_t a, std::uint64_t b) { return b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b; }

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  SafetensorsHeader header(std::uint64_t element_bytes) {
    if (text_.empty() || text_[0] != '{') fail("a header begins with '{'");
    SafetensorsHeader out;
    std::set<std::string> names;
    object([&](const std::string& key, std::size_t place) {
      if (!names.insert(key).second) fail("'" + key + "' stands here twice", place);
      if (key == "__metadata__")
        metadata(out.metadata);
      else
        out.tensors.push_back(tensor(key, place));
    });
    space();
    if (at_ != text_.size()) fail("something follows the header's object");
    place_elements(out.tensors, element_bytes);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& cause) const { fail(cause, at_); }
  [[noreturn]] void fail(const std::string& cause, std::size_t place) const {
    throw Error(ErrorKind::data, name_ + ": byte " + std::to_string(kHeaderBegins + place) + ": " + cause,
                "is it a safetensors file, and whole?");
  }

  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void need(char c) {
    if (!take(c)) fail(std::string("'") + c + "' is missing");
  }

  /// `member(key, place of the key)` reads the value.
  template <class Member>
  void object(Member&& member) {
    need('{');
    if (take('}')) return;
    do {
      space();
      const std::size_t place = at_;
      const std::string key = string();
      need(':');
      member(key, place);
    } while (take(','));
    need('}');
  }

  std::uint64_t number() {
    space();
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) fail("a number is too large", begin);
      value = value * 10 + digit;
    }
    if (at_ == begin) fail("a whole number is missing");
    if (text_[begin] == '0' && at_ > begin + 1) fail("a number begins with 0", begin);
    return value;
  }

  std::vector<std::uint64_t> numbers(std::size_t most) {
    std::vector<std::uint64_t> out;
    need('[');
    if (take(']')) return out;
    do {
      if (out.size() == most) fail("more than " + std::to_string(most) + " numbers in a list");
      out.push_back(number());
    } while (take(','));
    need(']');
    return out;
  }

  std::uint32_t hex4() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail("four hexadecimal digits are missing in a string");
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  void escape(std::string& out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (const auto i = kFrom.find(c); i != std::string_view::npos) {
      out += kTo[i];
      return;
    }
    if (c != 'u') fail("an unknown escape in a string");
    std::uint32_t code = hex4();
    if (code >= 0xDC00 && code < 0xE000) fail("half a surrogate pair in a string");
    if (code >= 0xD800 && code < 0xDC00) {
      if (text_.substr(at_, 2) != "\\u") fail("half a surrogate pair in a string");
      at_ += 2;
      const std::uint32_t low = hex4();
      if (low < 0xDC00 || low >= 0xE000) fail("half a surrogate pair in a string");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xC0 | code >> 6), put(0x80 | (code & 63));
    if (code < 0x10000) return put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 63)), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  }

  /// Copies one character of UTF-8. Overlong forms, surrogates and what lies beyond U+10FFFF are refused.
  void character(std::string& out) {
    const auto byte = [&](std::size_t i) { return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0u; };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xF0 && first < 0xF5 ? 4 : 0;
    bool sound = length > 0;
    for (std::size_t i = 1; i < length; ++i) sound = sound && (byte(i) & 0xC0) == 0x80;
    if (length == 3) sound = sound && !(first == 0xE0 && byte(1) < 0xA0) && !(first == 0xED && byte(1) >= 0xA0);
    if (length == 4) sound = sound && !(first == 0xF0 && byte(1) < 0x90) && !(first == 0xF4 && byte(1) >= 0x90);
    if (!sound) fail("a string is not UTF-8");
    out.append(text_.substr(at_, length));
    at_ += length;
  }

  std::string string() {
    if (!take('"')) fail("a string is missing");
    std::string out;
    for (;;) {
      if (at_ >= text_.size()) fail("a string does not end");
      const char c = text_[at_];
      if (c == '"') break;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c == '\\') {
        ++at_;
        escape(out);
      } else {
        character(out);
      }
    }
    ++at_;
    return out;
  }

  void metadata(Metadata& out) {
    object([&](const std::string& key, std::size_t place) {
      if (!out.emplace(key, string()).second) fail("'" + key + "' stands here twice", place);
    });
  }

  TensorType type() {
    space();
    const std::size_t place = at_;
    const std::string word = string();
    const auto it = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeEntry& t) { return t.name == word; });
    if (it == kTypes.end()) fail("dtype '" + word.substr(0, 40) + "' is not known", place);
    return static_cast<TensorType>(it - kTypes.begin());
  }

  TensorEntry tensor(const std::string& name, std::size_t place) {
    TensorEntry out;
    out.name = name;
    std::optional<TensorType> dtype;
    std::optional<std::vector<std::uint64_t>> shape, offsets;
    object([&](const std::string& key, std::size_t key_place) {
      if (key == "dtype" && !dtype)
        dtype = type();
      else if (key == "shape" && !shape)
        shape = numbers(kMaxDimensions);
      else if (key == "data_offsets" && !offsets)
        offsets = numbers(2);
      else
        fail("'" + name + "': key '" + key.substr(0, 40) + "' is unknown or stands here twice", key_place);
    });
    if (!dtype || !shape || !offsets || offsets->size() != 2) fail("'" + name + "' needs dtype, shape and two data_offsets", place);
    out.type = *dtype;
    out.shape = *std::move(shape);
    std::uint64_t bytes = bytes_of(out.type);
    // A side of 0 makes a tensor empty, however large the others are: it cannot overflow.
    if (std::find(out.shape.begin(), out.shape.end(), 0u) != out.shape.end()) bytes = 0;
    for (const std::uint64_t side : out.shape) {
      if (overflows(bytes, side)) fail("'" + name + "': the shape is too large", place);
      bytes *= side;
    }
    const std::uint64_t begin = (*offsets)[0], end = (*offsets)[1];
    if (end < begin || end - begin != bytes)
      fail("'" + name + "': data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + "] are not the " + std::to_string(bytes) +
               " bytes of its shape and dtype", place);
    out.offset_bytes = begin;
    out.bytes = bytes;
    return out;
  }

  /// Checks that the elements follow one another from the first byte to the last, and counts offsets from the file's beginning.
  void place_elements(std::vector<TensorEntry>& tensors, std::uint64_t element_bytes) const {
    std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return a.offset_bytes != b.offset_bytes ? a.offset_bytes < b.offset_bytes : a.bytes != b.bytes ? a.bytes < b.bytes : a.name < b.name;
    });
    std::uint64_t end = 0;
    for (TensorEntry& t : tensors) {
      if (t.offset_bytes != end)
        fail("'" + t.name + "' begins at " + std::to_string(t.offset_bytes) + " where the one before it ends at " + std::to_string(end), text_.size());
      end += t.bytes; // Cannot overflow: each offset equals the sum so far, and was checked against its own end.
      if (end > element_bytes)
        fail("'" + t.name + "' ends at " + std::to_string(end) + ", but the file has " + std::to_string(element_bytes) + " bytes of elements", text_.size());
      t.offset_bytes += kHeaderBegins + text_.size();
    }
    if (end != element_bytes)
      fail("the tensors end at " + std::to_string(end) + ", but the file has " + std::to_string(element_bytes) + " bytes of elements", text_.size());
  }

  const std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view name_of(TensorType type) { return kTypes[static_cast<std::size_t>(type)].name; }
std::size_t bytes_of(TensorType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_bytes, const std::string& name) {
  if (file_bytes < kHeaderBegins || file_bytes - kHeaderBegins < text.size())
    throw Error(ErrorKind::data, name + ": byte 0: the header is longer than the file", "is it a safetensors file, and whole?");
  return Parser(text, name).header(file_bytes - kHeaderBegins - text.size());
}

}  // namespace millrace::train
