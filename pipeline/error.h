#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tl/expected.hpp>

namespace millrace {

/// What ends a run, one kind for each exit code.
enum class ErrorKind { usage, data, device, communication, internal };

/// The process's exit status: 2 usage or spec, 3 data, 4 device, 5 communication, 70 internal.
constexpr int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::data: return 3;
    case ErrorKind::device: return 4;
    case ErrorKind::communication: return 5;
    case ErrorKind::internal: break;
  }
  return 70;
}

/// The one exception type of Millrace. `what()` says what failed and where (file, offset or line:column); `hint()` says
/// what to try, and may be empty. Thrown for what ends a run; faults of single samples are values (`Fault`).
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorKind kind_;
  std::string hint_;
};

enum class FaultKind { missing, truncated, corrupt, unsupported, too_large };

constexpr const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::missing: return "missing";
    case FaultKind::truncated: return "truncated";
    case FaultKind::corrupt: return "corrupt";
    case FaultKind::unsupported: return "unsupported";
    case FaultKind::too_large: break;
  }
  return "too large";
}

/// Why one sample could not be delivered. Judged by `on_bad_sample`, listed in the ledger.
struct Fault {
  FaultKind kind = FaultKind::corrupt;
  std::uint64_t index = 0;        ///< The sample's index in its source.
  std::string origin;             ///< Path, or "set[index]" where samples share a file.
  std::uint64_t offset_bytes = 0; ///< Where in the file, 0 if not known.
  std::string detail;
};

template <class T>
using Expected = tl::expected<T, Fault>;

}  // namespace millrace
