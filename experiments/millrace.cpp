// The program: parse, dispatch, and one line for what went wrong.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "experiments/cli.h"
#include "experiments/signals.h"
#include "pipeline/error.h"

namespace {

int run(int argc, char** argv, const millrace::Signals& signals) {
  using millrace::ErrorKind;
  try {
    return millrace::run_cli(argc, argv, signals.token());
  } catch (const millrace::Error& e) {
    std::fprintf(stderr, "millrace: %s\n", e.what());
    if (!e.hint().empty()) std::fprintf(stderr, "  hint: %s\n", e.hint().c_str());
    return millrace::exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "millrace: out of memory\n  hint: a smaller data.batch, loader.prefetch or data.subset takes less\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "millrace: internal error: %s\n", e.what());
  }
  return millrace::exit_code(ErrorKind::internal);
}

/// LibTorch's OpenMP threads spin for milliseconds at every join, which starves loader threads on the same cores and, with
/// more threads than free cores, multiplies the time of a step (seen: 452 ms in place of 12). This leaves about a microsecond;
/// the user's own choice stays. OpenMP reads it when it is loaded and has no other door.
void keep_openmp_from_spinning() {
  if (!std::getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/0);
}

}  // namespace

int main(int argc, char** argv) {
  keep_openmp_from_spinning();  // Before there are threads.
  millrace::Signals signals;
  const int status = run(argc, argv, signals);
  if (!signals.received()) return status;
  std::fprintf(stderr, "millrace: stopped by %s\n", signals.received() == 2 ? "Ctrl-C" : "SIGTERM");
  return 128 + signals.received();
}
