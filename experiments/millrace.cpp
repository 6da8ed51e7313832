// The program: parse, dispatch, and one line for what went wrong.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "experiments/cli.h"
#include "experiments/gpus.h"
#include "experiments/launch.h"
#include "experiments/printable.h"
#include "experiments/signals.h"
#include "pipeline/error.h"

namespace {

int run(int argc, char** argv, millrace::Signals& signals) {
  using millrace::ErrorKind;
  const std::string rank = millrace::rank_prefix();
  try {
    return millrace::run_cli(argc, argv, signals);
  } catch (const millrace::Error& e) {
    std::fprintf(stderr, "millrace: %s%s\n", rank.c_str(), millrace::printable_lines(e.what()).c_str());
    if (!e.hint().empty()) std::fprintf(stderr, "  hint: %s\n", millrace::printable_lines(e.hint()).c_str());
    return millrace::exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "millrace: %sout of memory\n  hint: a smaller data.batch, loader.prefetch or data.subset takes less\n",
                 rank.c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "millrace: %sinternal error: %s\n", rank.c_str(), e.what());
  }
  return millrace::exit_code(ErrorKind::internal);
}

/// LibTorch's OpenMP threads spin for milliseconds at every join, which starves loader threads on the same cores and, with
/// more threads than free cores, multiplies the time of a step (seen: 452 ms in place of 12). This leaves about a microsecond;
/// the user's own choice stays. OpenMP reads it when it is loaded and has no other door.
void keep_openmp_from_spinning() {
  if (!std::getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "1000", /*overwrite=*/0);
}

/// c10d's sockets report each attempt that fails, though what matters is reported by Millrace. LibTorch reads it when it is loaded.
void keep_torch_from_chattering() { setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0); }

/// train.deterministic is refused by LibTorch without it. cuBLAS reads it when a GPU is first used; on the newest GPUs it is torch's default.
void fix_cublas_workspace() { setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0); }

/// Before NCCL is loaded, and only where the user has asked it to speak.
void keep_nccl_out_of_stdout() {
  struct stat to {};
  if (std::getenv("NCCL_DEBUG") && fstat(STDERR_FILENO, &to) == 0) setenv("NCCL_DEBUG_FILE", millrace::nccl_debug_file(to.st_mode).c_str(), /*overwrite=*/0);
}

/// Whether nobody can read a descriptor's pipe, socket or terminal any more.
bool reader_is_gone(int descriptor) {
  pollfd asked{descriptor, POLLOUT, 0};
  return poll(&asked, 1, 0) == 1 && (asked.revents & (POLLERR | POLLHUP));
}

/// What was printed and did not arrive (a full disk behind a redirection) is a failure too; a reader who has seen enough (`| head`) is none.
int flushed(int status) {
  if ((std::fflush(stdout) == 0 && !std::ferror(stdout)) || reader_is_gone(STDOUT_FILENO)) return status;
  std::fprintf(stderr, "millrace: stdout could not be written whole%s\n", errno ? (": " + std::string(std::strerror(errno))).c_str() : "");
  return status ? status : millrace::exit_code(millrace::ErrorKind::data);
}

/// Before the shared libraries' constructors, which take tens of milliseconds and open files. Holds signals back until Signals is there to
/// turn them into a stop; SIGTTOU for good, so that a terminal with `tostop` does not stop a rank that prints. A standard descriptor that
/// is closed becomes /dev/null: otherwise the first file that is opened would get its number, and the notes. Bare system calls, because
/// no library, and no sanitizer, is set up yet.
void prepare(int, char**, char**) {
  unsigned long mask = 0;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGTTOU}) mask |= 1ul << (signal - 1);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, nullptr, sizeof mask);
  for (long opened = 0; opened >= 0 && opened <= STDERR_FILENO;) {
    opened = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (opened > STDERR_FILENO) syscall(SYS_close, opened);
  }
}
__attribute__((section(".preinit_array"), used)) void (*first_of_all)(int, char**, char**) = prepare;

}  // namespace

int main(int argc, char** argv) {
  keep_openmp_from_spinning();  // Before there are threads.
  keep_torch_from_chattering();
  keep_nccl_out_of_stdout();
  fix_cublas_workspace();
  try {
    millrace::Signals signals;
    const int status = flushed(run(argc, argv, signals));
    if (!signals.received() || signals.too_late()) return status;
    const int signal = status > 128 ? status - 128 : signals.received();  // Ranks have agreed on one.
    std::fprintf(stderr, "millrace: %sstopped by %s\n", millrace::rank_prefix().c_str(), millrace::name_of_signal(signal).c_str());
    return 128 + signal;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "millrace: no thread for signals: %s\n  hint: is a limit on processes (ulimit -u) reached?\n", e.what());
  }
  return millrace::exit_code(millrace::ErrorKind::internal);
}
