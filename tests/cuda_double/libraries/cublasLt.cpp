// cuBLASLt, as far as LibTorch looks at what it returns: descriptors, and one algorithm for every product.
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {
constexpr std::size_t kDescriptorBytes = 512, kHeuristicBytes = 128;

int make(void** descriptor) {
  *descriptor = std::calloc(1, kDescriptorBytes);
  return 0;
}
int end(void* descriptor) {
  std::free(descriptor);
  return 0;
}
}  // namespace

extern "C" {
std::size_t cublasLtGetVersion() { return 130000; }
int cublasLtMatmulDescCreate(void** descriptor, int, int) { return make(descriptor); }
int cublasLtMatmulDescDestroy(void* descriptor) { return end(descriptor); }
int cublasLtMatrixLayoutCreate(void** layout, int, unsigned long, unsigned long, long) { return make(layout); }
int cublasLtMatrixLayoutDestroy(void* layout) { return end(layout); }
int cublasLtMatmulPreferenceCreate(void** preference) { return make(preference); }
int cublasLtMatmulPreferenceDestroy(void* preference) { return end(preference); }
int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void* results, int* found) {
  std::memset(results, 0, kHeuristicBytes); // Success, no workspace.
  *found = 1;
  return 0;
}
}
