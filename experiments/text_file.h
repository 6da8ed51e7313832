#pragma once
#include <string>

#include "experiments/json.h"

namespace millrace {

/// For what a command writes. Errors: Error(data) with the folder and why it cannot be made.
void make_folder(const std::string& folder);

/// A record as one line, without its end. What is no UTF-8 is replaced: names of files need not be.
std::string line_of(const Json& record);

/// Writes a whole file, anew. Errors: Error(data) with the path where it cannot be written whole.
void write_text(const std::string& path, const std::string& text);

}  // namespace millrace
