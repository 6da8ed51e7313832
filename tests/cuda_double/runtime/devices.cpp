// Devices: how many, what they are, which is current, which has a context.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/settings.h"

namespace cuda_double {
namespace {

thread_local int t_device = 0;

struct Contexts {
  std::mutex mutex;
  std::set<int> devices; ///< Physical.
};
Contexts& contexts() {
  static auto* const all = new Contexts;
  return *all;
}

int device_count() { return static_cast<int>(settings().visible.size()); }

bool asked_for(int device, std::size_t contexts_so_far) {
  const Settings& s = settings();
  if (!s.contexts_limited) return true;
  if (s.one_context) return contexts_so_far == 1;
  for (const int asked : s.contexts)
    if (asked == device) return true;
  return false;
}

bool is_device(int device) { return device >= 0 && device < device_count(); }

/// An H200's figures, as far as LibTorch asks for them.
void describe(cudaDeviceProp& p, int device) {
  const Settings& s = settings();
  p = {};
  std::snprintf(p.name, sizeof p.name, "CUDA double");
  const auto uuid = uuid_of(physical(device));
  std::memcpy(p.uuid.bytes, uuid.data(), uuid.size());
  p.totalGlobalMem = s.memory_bytes[std::min(s.memory_bytes.size() - 1, static_cast<std::size_t>(physical(device)))];
  p.major = s.capability_major;
  p.minor = s.capability_minor;
  p.pciBusID = 1 + physical(device);
  p.multiProcessorCount = 132;
  p.warpSize = 32;
  p.maxThreadsPerMultiProcessor = 2048;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.maxBlocksPerMultiProcessor = 32;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.sharedMemPerBlock = 49152;
  p.sharedMemPerBlockOptin = 232448;
  p.sharedMemPerMultiprocessor = 233472;
  p.reservedSharedMemPerBlock = 1024;
  p.totalConstMem = 65536;
  p.textureAlignment = 512;
  p.l2CacheSize = 60 << 20;
  p.asyncEngineCount = 3;
  p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = p.streamPrioritiesSupported = p.cooperativeLaunch = 1;
}

}  // namespace

int current_device() { return t_device; }
int physical(int device) { return device >= 0 && device < device_count() ? settings().visible[static_cast<std::size_t>(device)] : -1; }

void need_context() {
  const int device = physical(t_device);
  std::size_t made = 0;
  {
    const std::lock_guard lock(contexts().mutex);
    if (!contexts().devices.insert(device).second) return;
    made = contexts().devices.size();
  }
  note_context(device);
  if (!asked_for(device, made)) report(finding::kUnaskedContext, "context", "on device " + std::to_string(device));
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (settings().driver < CUDART_VERSION / 1000 * 1000) return answer(cudaErrorInsufficientDriver);
  *count = device_count();
  return *count ? cudaSuccess : answer(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  *device = t_device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (!is_device(device)) return illegal(cudaErrorInvalidDevice, "cudaSetDevice", "no device " + std::to_string(device));
  t_device = device;
  need_context();
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!is_device(device)) return illegal(cudaErrorInvalidDevice, "cudaGetDeviceProperties", "no device " + std::to_string(device));
  describe(*properties, device);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!is_device(device)) return illegal(cudaErrorInvalidDevice, "cudaDeviceGetAttribute", "no device " + std::to_string(device));
  cudaDeviceProp p;
  describe(p, device);
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(p.sharedMemPerBlock); break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(p.sharedMemPerBlockOptin); break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = static_cast<int>(p.sharedMemPerMultiprocessor); break;
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = p.regsPerMultiprocessor; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = p.regsPerBlock; break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY: *value = 1024; break;
    case cudaDevAttrMaxBlockDimZ: *value = 64; break;
    case cudaDevAttrMaxGridDimX: *value = 2147483647; break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: *value = 65535; break;
    case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
    case cudaDevAttrPciBusId: *value = p.pciBusID; break;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId: *value = 0; break;
    case cudaDevAttrMemoryPoolsSupported: *value = 0; break;
    default: *value = 1;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int device) {
  if (!is_device(device)) return illegal(cudaErrorInvalidDevice, "cudaDeviceGetPCIBusId", "no device " + std::to_string(device));
  std::snprintf(text, static_cast<std::size_t>(bytes), "0000:%02X:00.0", 1 + physical(device));
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  if (!is_device(device) || !is_device(peer)) return illegal(cudaErrorInvalidDevice, "cudaDeviceCanAccessPeer", "no such device");
  *can = device != peer;
  return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  if (const cudaError_t error = begin("cudaDeviceEnablePeerAccess", InCapture::forbidden)) return error;
  need_context();
  static auto* const enabled = new std::set<std::pair<int, int>>;
  static auto* const mutex = new std::mutex;
  const std::lock_guard lock(*mutex);
  return enabled->emplace(t_device, peer).second ? cudaSuccess : answer(cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = settings().driver;
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    default: break;
  }
  static thread_local char text[40];
  std::snprintf(text, sizeof text, "cudaError %d", static_cast<int>(error));
  return text;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    default: break;
  }
  static thread_local char text[60];
  std::snprintf(text, sizeof text, "error %d of the CUDA double", static_cast<int>(error));
  return text;
}

int cuda_double_current_device() { return t_device; }
int cuda_double_has_context(int device) {
  const std::lock_guard lock(contexts().mutex);
  return contexts().devices.contains(physical(device));
}
void cuda_double_need_context() { need_context(); }
void cuda_double_uuid(int device, unsigned char* uuid) {
  const auto bytes = uuid_of(physical(device));
  std::memcpy(uuid, bytes.data(), bytes.size());
}
}
