#include "experiments/printable.h"

#include <cstddef>

namespace millrace {
namespace {

constexpr const char* kDigits = "0123456789abcdef";

unsigned char at(const std::string& bytes, std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0; }

/// Bytes of the character that begins at `i`; 0 where none does.
std::size_t length_at(const std::string& bytes, std::size_t i) {
  const unsigned char a = at(bytes, i), b = at(bytes, i + 1);
  const auto follows = [&](std::size_t k) { return (at(bytes, i + k) & 0xC0) == 0x80; };
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF && follows(1)) return 2;
  const bool overlong = (a == 0xE0 && b < 0xA0) || (a == 0xF0 && b < 0x90), beyond = (a == 0xED && b > 0x9F) || (a == 0xF4 && b > 0x8F);
  if (overlong || beyond) return 0;
  if (a >= 0xE0 && a <= 0xEF && follows(1) && follows(2)) return 3;
  if (a >= 0xF0 && a <= 0xF4 && follows(1) && follows(2) && follows(3)) return 4;
  return 0;
}

/// ASCII's, and those from 0x80 to 0x9F, which some terminals obey too.
bool is_control(const std::string& bytes, std::size_t i) {
  const unsigned char a = at(bytes, i);
  return a < 0x20 || a == 0x7F || (a == 0xC2 && at(bytes, i + 1) < 0xA0);
}

void escape(unsigned char byte, std::string& out) { (out += "\\x") += {kDigits[byte >> 4], kDigits[byte & 15]}; }

std::string escaped(const std::string& bytes, bool keep_lines) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = length_at(bytes, i), taken = length ? length : 1;
    const bool kept = keep_lines && (bytes[i] == '\n' || bytes[i] == '\t');
    if (kept || (length && !is_control(bytes, i))) out.append(bytes, i, taken);
    else
      for (std::size_t k = i; k < i + taken; ++k) escape(at(bytes, k), out);
    i += taken;
  }
  return out;
}

}  // namespace

std::string printable(const std::string& bytes) { return escaped(bytes, false); }
std::string printable_lines(const std::string& bytes) { return escaped(bytes, true); }

bool is_utf8(const std::string& bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = length_at(bytes, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::string hex_of(const std::string& bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) (out += kDigits[at(bytes, i) >> 4]) += kDigits[at(bytes, i) & 15];
  return out;
}

}  // namespace millrace
