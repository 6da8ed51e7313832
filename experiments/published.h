#pragma once
#include <string>

#include "experiments/figures.h"

namespace millrace {

/// A published table from the data of published/*.toml (as read_toml gives it, or as a study's record keeps it).
/// Errors: Error(data) that names the table and its place in its list ("row 3: ..."), for wrong types, unknown keys, figures
/// that are none, claims on rows that are not there.
FigureTable published_table(const Json& data);
/// The same of a file already read, or of a record: errors begin with `place`.
FigureTable read_published(const std::string& place, const Json& data);

}  // namespace millrace
