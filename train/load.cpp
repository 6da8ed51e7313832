#include "train/load.h"

#include <dlfcn.h>

#include <filesystem>

#include "pipeline/error.h"

namespace millrace::train {

namespace {

/// LibTorch must find its own symbols first: OpenCV brings the reference BLAS into the program, whose sgemm would otherwise take
/// the place of MKL's (seen: a LeNet step of 39 ms in place of 19). Sanitizers cannot be loaded around.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kMode = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kMode = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

}  // namespace

const Api& load_from(const std::vector<std::string>& candidates) {
  std::string reasons;
  for (const std::string& candidate : candidates) {
    if (void* library = dlopen(candidate.c_str(), kMode)) {
      if (void* symbol = dlsym(library, "millrace_train_api")) return *reinterpret_cast<const Api* (*)()>(symbol)();
      dlclose(library);
      reasons += "; " + candidate + " is not Millrace's training library";
    } else {
      const char* reason = dlerror();
      reasons += std::string("; ") + (reason ? reason : candidate.c_str());
    }
  }
  throw Error(ErrorKind::device, "the training library could not be opened" + reasons,
              "keep libmillrace_train.so beside the program and .venv where it was built; 'make build' makes both anew");
}

const Api& load() {
  // A function's static: made once, by the first caller, and tried anew if that one failed.
  static const Api& api = [] () -> const Api& {
    std::error_code ignored;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    return load_from({program.parent_path() / "libmillrace_train.so", "libmillrace_train.so"});
  }();
  return api;
}

}  // namespace millrace::train
