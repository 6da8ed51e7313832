#pragma once

#include <cstddef>
#include <cstdint>

/// What the double of the CUDA runtime offers beside CUDA's own calls, to tests (by dlsym, where it is preloaded) and to the double of NCCL.
/// Threads: any.
extern "C" {

/// --- For tests ---
/// How often something was counted in this process: a call's name ("cudaMalloc"), "kernels", "copies_h2d", ... (README.md).
std::uint64_t cuda_double_counted(const char* what);
/// Findings of a kind ("race", "illegal_call", ...) in this process since the last call of cuda_double_forget; nullptr: of all kinds.
std::uint64_t cuda_double_findings(const char* kind);
/// Forgets the findings, so that one made on purpose does not fail the process at its end.
void cuda_double_forget();

/// --- For the double of NCCL and of the driver ---
void cuda_double_count(const char* what);
void cuda_double_report(const char* kind, const char* call, const char* detail);
int cuda_double_current_device();
int cuda_double_has_context(int device);
/// The calling thread's current device gets a context, if it has none.
void cuda_double_need_context();
/// The device where memory lies; -1: host memory, or none of ours.
int cuda_double_device_of(const void* memory);
/// What names a physical device on all hosts; 16 bytes.
void cuda_double_uuid(int device, unsigned char* uuid);
/// Where a device's bytes are kept; null (and a finding) where [memory, memory + bytes) is no allocation.
void* cuda_double_backing(const void* memory, std::size_t bytes, const char* call);
/// Adds work to a stream (a CUDA stream's handle), or to the graph that it captures. `work` gets the time (us) when the stream is ready for it and
/// its data, and returns the time when it ended; a graph calls it again and again. `drop` ends the data. Returns a cudaError_t.
int cuda_double_enqueue(void* stream, double (*work)(double ready, void* data), void* data, void (*drop)(void* data));
/// The error that CUDA_DOUBLE_FAULTS plants in this call; 0: none. `usual`: for a fault that names no error.
int cuda_double_planted(const char* call, int usual);
double cuda_double_now();
void cuda_double_sleep_until(double time);
/// The environment's number, or `otherwise`; text that is no number ends the process.
double cuda_double_setting(const char* name, double otherwise);
/// Called for a symbol that the wheels ask for and the double does not have.
void cuda_double_unsupported(const char* symbol);
}
