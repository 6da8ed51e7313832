#include "tests/cuda_double/runtime/report.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/settings.h"

namespace cuda_double {
namespace {

constexpr int kFailedByFindings = 99; ///< The status of a process with findings under CUDA_DOUBLE_STRICT.

struct Books {
  std::mutex mutex;
  std::map<std::string, std::uint64_t> counts, findings;
  std::set<int> contexts;
};
Books& books() {
  static auto* const all = new Books; // Never destroyed: streams' threads outlive main.
  return *all;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

void add(std::string& list, const std::string& item) {
  if (!list.empty()) list += ',';
  list += item;
}

/// Whole lines, so that several processes share one file.
void append(const std::string& line) {
  if (settings().report.empty()) return;
  const int file = open(settings().report.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0 || write(file, line.data(), line.size()) < 0) std::perror("cuda double: CUDA_DOUBLE_REPORT");
  if (file >= 0) close(file);
}

std::string name_of(void* address) {
  Dl_info info{};
  if (!dladdr(address, &info)) return "?";
  if (info.dli_sname) {
    int status = 0;
    char* readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    std::string name = readable ? readable : info.dli_sname;
    std::free(readable);
    return name.substr(0, 160);
  }
  char place[64];
  std::snprintf(place, sizeof place, "+0x%zx", static_cast<std::size_t>(static_cast<char*>(address) - static_cast<char*>(info.dli_fbase)));
  const std::string file = info.dli_fname ? info.dli_fname : "?";
  return file.substr(file.rfind('/') + 1) + place;
}

std::string stack() {
  std::array<void*, 24> frames{};
  const int n = backtrace(frames.data(), static_cast<int>(frames.size()));
  std::string list;
  for (int i = 2; i < n; ++i) add(list, quoted(name_of(frames[static_cast<std::size_t>(i)])));
  return "[" + list + "]";
}

std::string object_of(const std::map<std::string, std::uint64_t>& numbers) {
  std::string text;
  for (const auto& [name, n] : numbers) add(text, quoted(name) + ":" + std::to_string(n));
  return "{" + text + "}";
}

/// The process's last line. The preloaded double is initialised first, so this runs after all other libraries' ends.
__attribute__((destructor)) void finish() {
  Books& b = books();
  std::uint64_t findings = 0;
  {
    const std::lock_guard lock(b.mutex);
    if (b.counts.empty() && b.findings.empty()) return; // A shell or another program that merely inherited the preload.
    std::string contexts;
    for (const int device : b.contexts) add(contexts, std::to_string(device));
    append("{\"type\":\"counts\",\"pid\":" + std::to_string(getpid()) + ",\"contexts\":[" + contexts + "],\"findings\":" + object_of(b.findings) +
           ",\"counts\":" + object_of(b.counts) + "}\n");
    for (const auto& [kind, n] : b.findings) findings += n;
  }
  if (findings == 0 || !settings().strict) return;
  std::fprintf(stderr, "cuda double: %llu findings, see above\n", static_cast<unsigned long long>(findings));
  std::fflush(nullptr);
  _exit(kFailedByFindings);
}

}  // namespace

void report(const char* kind, const std::string& call, const std::string& detail) {
  const std::string frames = stack();
  {
    const std::lock_guard lock(books().mutex);
    ++books().findings[kind];
  }
  std::fprintf(stderr, "cuda double: %s: %s: %s\n  %s\n", kind, call.c_str(), detail.c_str(), frames.c_str());
  append("{\"type\":\"finding\",\"pid\":" + std::to_string(getpid()) + ",\"kind\":" + quoted(kind) + ",\"call\":" + quoted(call) +
         ",\"detail\":" + quoted(detail) + ",\"stack\":" + frames + "}\n");
}

void count(const std::string& what, std::uint64_t n) {
  const std::lock_guard lock(books().mutex);
  books().counts[what] += n;
}

void note_context(int physical_device) {
  const std::lock_guard lock(books().mutex);
  books().contexts.insert(physical_device);
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
std::uint64_t cuda_double_counted(const char* what) {
  const std::lock_guard lock(books().mutex);
  const auto found = books().counts.find(what);
  return found == books().counts.end() ? 0 : found->second;
}
std::uint64_t cuda_double_findings(const char* kind) {
  const std::lock_guard lock(books().mutex);
  std::uint64_t sum = 0;
  for (const auto& [name, n] : books().findings)
    if (!kind || name == kind) sum += n;
  return sum;
}
void cuda_double_forget() {
  const std::lock_guard lock(books().mutex);
  books().findings.clear();
}
void cuda_double_count(const char* what) { count(what); }
void cuda_double_report(const char* kind, const char* call, const char* detail) { report(kind, call, detail); }
void cuda_double_unsupported(const char* symbol) { report(finding::kUnsupported, symbol, "the double does not have this call"); }
}
