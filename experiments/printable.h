#pragma once
#include <string>

namespace millrace {

/// Names of files may hold any byte. Control characters, which would move a terminal's cursor, change its title or end a line, and
/// bytes that are not UTF-8 become \xNN.
std::string printable(const std::string& bytes);
/// The same for text of several lines: line ends and tabs stay.
std::string printable_lines(const std::string& bytes);

/// Whether all of it is UTF-8 as RFC 3629 has it: no overlong forms, no surrogates.
bool is_utf8(const std::string& bytes);

/// Lower-case hexadecimal, two digits a byte.
std::string hex_of(const std::string& bytes);

}  // namespace millrace
