#pragma once
#include <nlohmann/json_fwd.hpp>

namespace millrace {

/// Keys keep the order in which they were written: records read as they were meant.
using Json = nlohmann::ordered_json;

}  // namespace millrace
