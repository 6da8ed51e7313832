#pragma once
#include <string>
#include <vector>

#include "experiments/signals.h"

namespace millrace {

class Reporter;

/// `--processes N`: starts this program N times with `arguments`, each one rank that finds the others on this host, and waits for
/// all. A stop reaches each of them; when one fails, the others have 2 s to say what they saw and are ended then. Should this
/// process be killed, its ranks are stopped by the kernel.
/// Returns the exit code of the first cause (5 for a rank that was killed), which is named on stderr; 0 if all ended well.
/// Threads: main's, and no other but the signals'. Errors: Error(communication) where processes or sockets cannot be had.
int run_processes(int count, const std::vector<std::string>& arguments, Signals& signals, Reporter& out);

}  // namespace millrace
