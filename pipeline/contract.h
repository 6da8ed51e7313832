#pragma once
#include <source_location>

namespace millrace {

/// Ends the program with the place and the broken promise: for errors of programmers, never reachable from input.
[[noreturn]] void broken_contract(const char* what, std::source_location where);

/// `contract(i < n, "row out of range")`.
inline void contract(bool holds, const char* what, std::source_location where = std::source_location::current()) {
  if (!holds) broken_contract(what, where);
}

}  // namespace millrace
