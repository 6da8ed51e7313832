#pragma once
#include <string>
#include <vector>

#include "augment/ops.h"
#include "experiments/keys.h"

namespace millrace {

/// The operations that `op = "..."` takes.
const std::vector<std::string>& operation_names();
/// An operation with its defaults. The name is one of operation_names().
augment::Operation make_operation(const std::string& name);
/// Reads or writes the parameters of an operation, under the references' names.
void visit(Keys& keys, augment::Operation& operation);
/// Whether it draws random numbers: evaluation leaves such operations out.
bool is_random(const augment::Operation& operation);

}  // namespace millrace
