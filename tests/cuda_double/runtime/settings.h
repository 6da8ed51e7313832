#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace cuda_double {

/// A call that fails on purpose: `CALL[@capture][#DEVICE]:N[+][=ERROR]`.
struct PlantedFault {
  std::string call;        ///< "cudaMalloc".
  bool in_capture = false; ///< Only calls of a thread that captures are counted.
  int device = -1;         ///< Only calls on this current device are counted; -1: on any.
  long first = 1;          ///< The first call that fails, from 1.
  bool onwards = false;    ///< All later ones too.
  int error = 0;           ///< A cudaError_t; 0: the call's usual one.
};

/// What is simulated. Read once from CUDA_DOUBLE_* and CUDA_VISIBLE_DEVICES; README.md has the table.
struct Settings {
  std::vector<int> visible; ///< Physical numbers of the devices that the program sees.
  double kernel_us = 3;
  double copy_gigabytes_per_second = 25;
  std::vector<std::size_t> memory_bytes; ///< By physical device; the last stands for those behind it.
  int driver = 13000, capability_major = 9, capability_minor = 0;
  bool contexts_limited = false, one_context = false;
  std::vector<int> contexts; ///< Physical devices on which a context is expected.
  std::vector<PlantedFault> faults;
  std::string report;
  bool strict = false, kernel_names = false;
};

/// Errors: an unreadable value ends the process with a message and status 99.
const Settings& settings();

double number_setting(const char* name, double otherwise);

/// The 16 bytes that name a physical device, as cudaDeviceProp has them.
std::array<unsigned char, 16> uuid_of(int physical_device);

}  // namespace cuda_double
