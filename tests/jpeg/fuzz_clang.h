#pragma once
// For the libFuzzer build alone: clang 14 has no std::source_location with GCC's library.
#include <source_location>
#ifndef __cpp_lib_source_location
#include <cstdint>
namespace std {
struct source_location {
  static constexpr source_location current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) { return {file, line}; }
  constexpr const char* file_name() const { return file_; }
  constexpr const char* function_name() const { return ""; }
  constexpr uint_least32_t line() const { return line_; }
  const char* file_ = "";
  unsigned line_ = 0;
};
}  // namespace std
#endif
