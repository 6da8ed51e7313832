#include "tests/cuda_double/runtime/settings.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "tests/cuda_double/control.h"

namespace cuda_double {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& value) {
  std::fprintf(stderr, "cuda double: %s=%s is not understood (tests/cuda_double/README.md)\n", name.c_str(), value.c_str());
  _exit(99);
}

std::string text_setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> parts(const std::string& text, char separator) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) all.push_back(part);
  return all;
}

double number_in(const std::string& name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0) refuse(name, text);
  return value;
}

std::string uuid_text(int device) {
  std::string text = "GPU-";
  const auto uuid = uuid_of(device);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", uuid[i]);
    text += hex;
  }
  return text;
}

/// As the driver reads it: numbers or beginnings of UUIDs; what follows the first that names no device is left out.
std::vector<int> visible_devices(int count) {
  std::vector<int> all;
  const char* mask = std::getenv("CUDA_VISIBLE_DEVICES");
  if (!mask) {
    for (int device = 0; device < count; ++device) all.push_back(device);
    return all;
  }
  for (const std::string& part : parts(mask, ',')) {
    int found = -1;
    if (part.starts_with("GPU-")) {
      for (int device = 0; device < count; ++device)
        if (uuid_text(device).starts_with(part)) found = device;
    } else {
      char* end = nullptr;
      const long number = std::strtol(part.c_str(), &end, 10);
      if (!part.empty() && *end == 0 && number >= 0 && number < count) found = static_cast<int>(number);
    }
    if (found < 0) break;
    all.push_back(found);
  }
  return all;
}

PlantedFault fault_of(const std::string& text) {
  const char* name = "CUDA_DOUBLE_FAULTS";
  PlantedFault fault;
  std::string rest = text;
  if (const auto at = rest.find('='); at != std::string::npos) {
    fault.error = static_cast<int>(number_in(name, rest.substr(at + 1)));
    rest.resize(at);
  }
  if (rest.ends_with('+')) {
    fault.onwards = true;
    rest.pop_back();
  }
  const auto colon = rest.find(':');
  if (colon == std::string::npos) refuse(name, text);
  fault.first = static_cast<long>(number_in(name, rest.substr(colon + 1)));
  rest.resize(colon);
  if (const auto at = rest.find('#'); at != std::string::npos) {
    fault.device = static_cast<int>(number_in(name, rest.substr(at + 1)));
    rest.resize(at);
  }
  if (rest.ends_with("@capture")) {
    fault.in_capture = true;
    rest.resize(rest.size() - std::strlen("@capture"));
  }
  fault.call = rest;
  return fault;
}

Settings read() {
  Settings s;
  s.visible = visible_devices(static_cast<int>(number_setting("CUDA_DOUBLE_DEVICES", 1)));
  s.kernel_us = number_setting("CUDA_DOUBLE_KERNEL_US", s.kernel_us);
  s.copy_gigabytes_per_second = number_setting("CUDA_DOUBLE_COPY_GBS", s.copy_gigabytes_per_second);
  const std::string memory = text_setting("CUDA_DOUBLE_MEMORY_MIB");
  for (const std::string& part : parts(memory.empty() ? "144384" : memory, ','))
    s.memory_bytes.push_back(static_cast<std::size_t>(number_in("CUDA_DOUBLE_MEMORY_MIB", part)) << 20);
  s.driver = static_cast<int>(number_setting("CUDA_DOUBLE_DRIVER", s.driver));
  const int capability = static_cast<int>(number_setting("CUDA_DOUBLE_CAPABILITY", 9.0) * 10 + 0.5);
  s.capability_major = capability / 10;
  s.capability_minor = capability % 10;
  const std::string contexts = text_setting("CUDA_DOUBLE_CONTEXTS");
  s.contexts_limited = !contexts.empty();
  s.one_context = contexts == "one";
  if (!s.one_context)
    for (const std::string& part : parts(contexts == "none" ? "" : contexts, ',')) s.contexts.push_back(static_cast<int>(number_in("CUDA_DOUBLE_CONTEXTS", part)));
  for (const std::string& part : parts(text_setting("CUDA_DOUBLE_FAULTS"), ',')) s.faults.push_back(fault_of(part));
  s.report = text_setting("CUDA_DOUBLE_REPORT");
  s.strict = number_setting("CUDA_DOUBLE_STRICT", 0) != 0;
  s.kernel_names = number_setting("CUDA_DOUBLE_KERNEL_NAMES", 0) != 0;
  return s;
}

}  // namespace

double number_setting(const char* name, double otherwise) {
  const std::string text = text_setting(name);
  return text.empty() ? otherwise : number_in(name, text);
}

const Settings& settings() {
  static const auto* const all = new Settings(read()); // Never destroyed: streams' threads outlive main.
  return *all;
}

std::array<unsigned char, 16> uuid_of(int physical_device) {
  std::array<unsigned char, 16> uuid{};
  std::uint64_t hash = 14695981039346656037ull; // FNV-1a of the machine's name.
  for (const char c : text_setting("CUDA_DOUBLE_MACHINE")) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::memcpy(uuid.data(), &hash, sizeof hash);
  const std::uint64_t number = static_cast<std::uint64_t>(physical_device) + 1;
  std::memcpy(uuid.data() + 8, &number, sizeof number);
  return uuid;
}

}  // namespace cuda_double

extern "C" double cuda_double_setting(const char* name, double otherwise) { return cuda_double::number_setting(name, otherwise); }
