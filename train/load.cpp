#include "train/load.h"

#include <dlfcn.h>

#include <filesystem>

#include "pipeline/error.h"

namespace millrace::train {

const Api& load_from(const std::vector<std::string>& candidates) {
  std::string reasons;
  for (const std::string& candidate : candidates) {
    if (void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL)) {
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
