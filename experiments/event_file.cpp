#include "experiments/event_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <filesystem>

#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

/// TFRecord's: a sum of bytes that hold sums would otherwise be a weak one.
std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }

template <class T>
void append_little(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
}

/// Protobuf's wire format: a key (field number and type), then the value.
enum class Wire : unsigned { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void append_key(std::string& out, unsigned field, Wire wire) { append_varint(out, field << 3 | static_cast<unsigned>(wire)); }
void append_bytes(std::string& out, unsigned field, std::string_view bytes) {
  append_key(out, field, Wire::bytes);
  append_varint(out, bytes.size());
  out += bytes;
}

/// Event.wall_time = 1, .step = 2, .file_version = 3, .summary = 5, .session_log = 7 (SessionLog.status = 1: START = 1).
std::string event(double seconds, std::int64_t step) {
  std::string out;
  append_key(out, 1, Wire::fixed64);
  append_little(out, std::bit_cast<std::uint64_t>(seconds));
  append_key(out, 2, Wire::varint);
  append_varint(out, static_cast<std::uint64_t>(step));
  return out;
}

/// Summary.value = 1, of which Value.tag = 1, .simple_value = 2.
std::string summary(const std::vector<std::pair<std::string, double>>& scalars) {
  std::string out;
  for (const auto& [tag, number] : scalars) {
    std::string value;
    append_bytes(value, 1, tag);
    append_key(value, 2, Wire::fixed32);
    append_little(value, std::bit_cast<std::uint32_t>(static_cast<float>(number)));
    append_bytes(out, 1, value);
  }
  return out;
}

std::string file_name(double seconds) {
  char host[256] = "host";
  gethostname(host, sizeof host - 1);
  return "events.out.tfevents." + std::to_string(static_cast<std::int64_t>(seconds)) + "." + host + "." + std::to_string(getpid()) + ".millrace";
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = ~0u;
  for (const char b : bytes) c = kCrcTable[(c ^ static_cast<unsigned char>(b)) & 0xFF] ^ c >> 8;
  return ~c;
}

EventFile::EventFile(const std::string& folder, double seconds) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  path_ = (std::filesystem::path(folder) / file_name(seconds)).string();
  file_.open(path_, std::ios::binary | std::ios::app);
  if (!file_) throw Error(ErrorKind::usage, "--tensorboard: " + path_ + " cannot be written");
  std::string first = event(seconds, 0);
  append_bytes(first, 3, "brain.Event:2");
  record(first);
}

void EventFile::add(double seconds, std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  std::string message = event(seconds, step);
  append_bytes(message, 5, summary(scalars));
  record(message);
}

void EventFile::restart(double seconds, std::int64_t step) {
  std::string start, message = event(seconds, step);
  append_key(start, 1, Wire::varint);
  append_varint(start, 1);
  append_bytes(message, 7, start);
  record(message);
}

/// A TFRecord: length, its sum, bytes, their sum.
void EventFile::record(const std::string& message) {
  std::string out;
  append_little(out, static_cast<std::uint64_t>(message.size()));
  append_little(out, masked(crc32c(out)));
  out += message;
  append_little(out, masked(crc32c(message)));
  if (!file_.write(out.data(), static_cast<std::streamsize>(out.size())).flush()) throw Error(ErrorKind::data, path_ + ": cannot be written", "is the disk full?");
}

}  // namespace millrace
