#include "tests/cuda_double/nccl/meeting.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#include <system_error>

namespace cuda_double {

Meeting::Meeting(const std::string& name, int rank, int size) : name_(name), rank_(rank), size_(size) {
  const int file = shm_open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  // Zeros are a table where nobody has arrived.
  void* const at = file < 0 || ftruncate(file, sizeof(Table)) != 0 ? MAP_FAILED : mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int error = errno;
  if (file >= 0) close(file);
  if (at == MAP_FAILED) throw std::system_error(error, std::generic_category(), name);
  table_ = static_cast<Table*>(at);
}

Meeting::~Meeting() { munmap(table_, sizeof(Table)); }

void Meeting::forget_name() const { shm_unlink(name_.c_str()); }

bool Meeting::meet(const std::function<bool()>& stopped) {
  constexpr timespec kLook{0, 1'000'000}; // How often to ask whether to stop.
  const std::uint64_t phase = ++phase_;
  auto* const futex = reinterpret_cast<std::uint32_t*>(&table_->arrivals);
  seat(rank_).arrived = phase;
  ++table_->arrivals;
  syscall(SYS_futex, futex, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); // Shared between processes: not FUTEX_PRIVATE, and so not std::atomic::wait.
  for (;;) {
    const std::uint32_t seen = table_->arrivals;
    int here = 0;
    for (int r = 0; r < size_; ++r) here += seat(r).arrived >= phase;
    if (here == size_) return true;
    if (stopped()) return false;
    syscall(SYS_futex, futex, FUTEX_WAIT, seen, &kLook, nullptr, 0);
  }
}

}  // namespace cuda_double
