#pragma once
#include <string>

#include "experiments/json.h"

namespace millrace {

/// Whether a line of results.jsonl is what the program writes, as far as reports read it: names, types, and cells that are no
/// trees. What a record lacks is left to the reader. Returns what is wrong ("'host' is not a table"), or an empty string.
std::string wrong_in_record(const Json& record);

/// Brackets open at once, at most, in a line of JSON: what walks over a tree by recursion must not get one of any depth.
std::size_t depth_of(const std::string& line);

}  // namespace millrace
