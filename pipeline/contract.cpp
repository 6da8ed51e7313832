#include "pipeline/contract.h"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void broken_contract(const char* what, std::source_location where) {
  std::fprintf(stderr, "%s:%u: %s: contract broken: %s\n", where.file_name(), static_cast<unsigned>(where.line()), where.function_name(), what);
  std::abort();
}

}  // namespace millrace
