// The driver, as far as LibTorch asks it: which device has a context, without making one.
#include "tests/cuda_double/control.h"

extern "C" {
int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* version) {
  *version = static_cast<int>(cuda_double_setting("CUDA_DOUBLE_DRIVER", 13000));
  return 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  *flags = 0;
  *active = cuda_double_has_context(device);
  return 0;
}
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuCtxGetCurrent(void** context) {
  *context = cuda_double_has_context(cuda_double_current_device()) ? context : nullptr; // LibTorch looks only whether there is one.
  return 0;
}
int cuGetErrorString(int, const char** text) {
  *text = "error of the CUDA double's driver";
  return 0;
}
}
