#pragma once
#include <string>

namespace millrace {

/// Writes a whole file, anew. Errors: Error(data) with the path where it cannot be written whole.
void write_text(const std::string& path, const std::string& text);

}  // namespace millrace
