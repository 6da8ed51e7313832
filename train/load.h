#pragma once
#include "train/api.h"

namespace millrace::train {

/// Opens libmillrace_train.so, from the folder of the running program or else where the system looks for libraries, and
/// with it LibTorch (0.3-1 s); only the first call does. It stays open until the process ends.
/// OpenMP reads GOMP_SPINCOUNT then: its default spins for milliseconds, which starves loaders on the same cores.
/// Threads: any.
/// Errors:  Error(device) where it cannot be opened, with the reason the system gives for each place.
const Api& load();

/// The same for given file names or paths; the first that opens is taken.
const Api& load_from(const std::vector<std::string>& candidates);

}  // namespace millrace::train
