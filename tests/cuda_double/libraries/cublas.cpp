// cuBLAS, as far as LibTorch looks at what it returns.
#include <cstdlib>

extern "C" {
int cublasCreate_v2(void** handle) {
  *handle = std::calloc(1, 64);
  return 0;
}
int cublasDestroy_v2(void* handle) {
  std::free(handle);
  return 0;
}
int cublasGetMathMode(void*, int* mode) {
  *mode = 0;
  return 0;
}
int cublasGetPointerMode_v2(void*, int* mode) {
  *mode = 0;
  return 0;
}
}
