#pragma once

#include <cstdint>
#include <string>

namespace cuda_double {

/// Kinds of findings: what a right program never does.
namespace finding {
inline constexpr const char* kIllegalCall = "illegal_call";       ///< A call that CUDA or NCCL refuses.
inline constexpr const char* kRace = "race";                      ///< Page-locked memory touched by the host under a copy.
inline constexpr const char* kUnaskedContext = "unasked_context"; ///< A context on a device that CUDA_DOUBLE_CONTEXTS does not name.
inline constexpr const char* kWrongDevice = "wrong_device";       ///< A buffer, stream or event of another device.
inline constexpr const char* kUseAfterFree = "use_after_free";
inline constexpr const char* kOutOfBounds = "out_of_bounds";      ///< Memory beyond an allocation's end.
inline constexpr const char* kMismatch = "mismatch";              ///< Ranks make different collective calls.
inline constexpr const char* kUnsupported = "unsupported";        ///< A call that the double does not have.
}  // namespace finding

/// Writes a finding with the calling thread's stack to the report at once (a process may be killed later) and to stderr.
void report(const char* kind, const std::string& call, const std::string& detail);

void count(const std::string& what, std::uint64_t n = 1);

/// A context was made on a physical device; part of the report's last line.
void note_context(int physical_device);

}  // namespace cuda_double
