#pragma once
#include <string>

#include "experiments/signals.h"

namespace millrace {

/// Parses the command line and runs the command. Returns the exit status: 0, or 2 after a usage message.
/// Errors: Error, passed on from the commands.
int run_cli(int argc, char** argv, Signals& signals);

}  // namespace millrace
