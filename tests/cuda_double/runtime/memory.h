#pragma once

#include <cstddef>
#include <optional>

namespace cuda_double {

/// What an address belongs to.
struct Place {
  char* base = nullptr;
  std::size_t bytes = 0;
  int device = 0;            ///< As the program numbers it: where it was allocated, or from where it was page-locked.
  bool page_locked = false;  ///< Host memory; else a device's.
};

/// Page-locked and device memory; none: the program's ordinary (pageable) memory, or freed.
std::optional<Place> place_of(const void* memory);

/// Where the bytes of [memory, memory + bytes) are kept: a device's lie elsewhere than at their address, which the host cannot touch.
/// Null and a finding, where the range goes beyond its allocation or was freed.
char* backing(const void* memory, std::size_t bytes, const char* call);

}  // namespace cuda_double
