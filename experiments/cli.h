#pragma once
#include <stop_token>
#include <string>

namespace millrace {

/// Parses the command line and runs the command. Returns the exit status: 0, or 2 after a usage message.
/// Errors: Error, passed on from the commands.
int run_cli(int argc, char** argv, std::stop_token stop);

}  // namespace millrace
