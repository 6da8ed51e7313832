// Ranks with a GPU each: NCCL called directly, so that a communicator can be aborted while a kernel of it waits for a dead rank.
// Words travel by gloo, whose lifeline says when that is.
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "pipeline/error.h"
#include "train/device.h"
#include "train/device_wait.h"
#include "train/gloo_collective.h"

namespace millrace::train {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string& what, const std::string& hint = {}) { throw Error(ErrorKind::device, what, hint); }

std::string version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." + std::to_string(version % 100);
}

/// Structures cross the library's door, so the header it was built with counts.
void check_version() {
  int library = 0;
  if (ncclGetVersion(&library) != ncclSuccess) fail("NCCL does not say its version");
  if (library / 100 != NCCL_VERSION_CODE / 100)
    fail("NCCL " + version_text(library) + " was loaded, but this program was built with " + version_text(NCCL_VERSION_CODE),
         "does LD_LIBRARY_PATH or LD_PRELOAD name another NCCL?");
}

int device_index(const JoinOptions& o) {
  const std::string number = o.device.starts_with("cuda:") ? o.device.substr(5) : std::to_string(o.local_rank);
  if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorKind::usage, "device '" + o.device + "' is no GPU", "cuda or cuda:N");
  const int index = std::stoi(number);
  if (const std::string why = why_no_cuda(index); !why.empty())
    fail("rank " + std::to_string(o.rank) + " wants GPU " + number + ": " + why, "a GPU for each rank, or device = \"cpu\"");
  return index;
}

/// "GPU-1a2b3c4d-...", as nvidia-smi -L writes it: a GPU's own name, whatever its host or container is called.
std::string uuid_of(const cudaDeviceProp& properties) {
  std::string out = "GPU";
  for (int i = 0; i < 16; ++i) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(properties.uuid.bytes[i]));
    out += i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? std::string("-") + hex : hex;
  }
  return out;
}

/// What NCCL tells ranks apart by: their GPU, and what they call a host.
std::string owner_of(int index, const std::string& host_id) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) fail("GPU " + std::to_string(index) + " does not say which it is");
  return host_id + '\n' + uuid_of(properties);
}

/// NCCL refuses two ranks on one GPU, in words that name neither.
void check_own_gpu(const std::vector<std::string>& owners) {
  for (std::size_t a = 0; a < owners.size(); ++a)
    for (std::size_t b = a + 1; b < owners.size(); ++b)
      if (owners[a] == owners[b])
        fail("ranks " + std::to_string(a) + " and " + std::to_string(b) + " are on the same GPU (" + owners[a].substr(owners[a].find('\n') + 1) + ")",
             "give each rank a GPU of its own; --ranks N runs more ranks than there are GPUs, as threads of one process");
}

/// One communicator. Threads: one caller; abort from any.
class Communicator {
 public:
  Communicator(Collective& words, int index, std::chrono::duration<double> timeout)
      : lifeline_(lifeline_of(words)), index_(index), timeout_(timeout) {
    ncclUniqueId id{};
    if (words.rank() == 0 && ncclGetUniqueId(&id) != ncclSuccess) fail(std::string("NCCL: ") + ncclGetLastError(nullptr));
    const std::string first = words.all_gather(std::string(id.internal, sizeof id.internal))[0];
    std::memcpy(id.internal, first.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    try {
      settle([&] { return ncclCommInitRankConfig(&handle_, words.size(), id, words.rank(), &config); });
    } catch (...) {
      abort();  // No destructor runs for what was never whole, and NCCL's own thread would go on waiting.
      throw;
    }
  }
  ~Communicator() {
    try {
      if (handle_) settle([&] { return ncclCommFinalize(handle_); });
      const std::lock_guard lock(mutex_);
      if (handle_) ncclCommDestroy(std::exchange(handle_, nullptr));
    } catch (const Error&) {
      abort();
    }
  }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// Kernels that wait for other ranks end.
  void abort() noexcept {
    const std::lock_guard lock(mutex_);
    if (handle_) ncclCommAbort(std::exchange(handle_, nullptr));
  }

  /// What NCCL has reported since the last call: a peer or a network that is lost while its kernels wait. Waits for nothing.
  void check() {
    std::string reason;
    {
      const std::unique_lock lock(mutex_, std::try_to_lock);
      if (!lock || !handle_) return; // In a call, which looks for itself; or aborted, and the lifeline says why.
      reason = trouble(async_state());
    }
    if (!reason.empty()) fail_all(reason);
  }

  void all_reduce_sum(const at::Tensor& t) {
    call([&](cudaStream_t stream) {
      return ncclAllReduce(t.const_data_ptr(), t.mutable_data_ptr(), static_cast<std::size_t>(t.numel()), type_of(t), ncclSum, handle_, stream);
    });
  }
  void broadcast(const at::Tensor& t, int root) {
    call([&](cudaStream_t stream) {
      return ncclBroadcast(t.const_data_ptr(), t.mutable_data_ptr(), static_cast<std::size_t>(t.numel()), type_of(t), root, handle_, stream);
    });
  }
  void all_gather_into(const at::Tensor& all, const at::Tensor& values) {
    call([&](cudaStream_t stream) {
      return ncclAllGather(values.const_data_ptr(), all.mutable_data_ptr(), static_cast<std::size_t>(values.numel()), type_of(values), handle_, stream);
    });
  }

 private:
  static ncclDataType_t type_of(const at::Tensor& t) { return t.scalar_type() == at::kDouble ? ncclFloat64 : ncclFloat32; }

  template <class Enqueue>
  void call(Enqueue&& enqueue) {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index_));
    lifeline_.begin_call();
    settle([&] { return enqueue(c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(index_)).stream()); });
  }

  ncclResult_t async_state() const {
    ncclResult_t state = ncclInProgress;
    return ncclCommGetAsyncError(handle_, &state) == ncclSuccess ? state : ncclInternalError;
  }
  std::string trouble(ncclResult_t state) const {
    if (state == ncclSuccess || state == ncclInProgress) return {};
    const std::string more = ncclGetLastError(handle_);
    return ncclGetErrorString(state) + (more.empty() ? more : ": " + more);
  }

  /// Non-blocking communicators answer "in progress": asked again until they have an answer, a rank fails or time is up. A thread of
  /// NCCL's own does the work, in some 30 us of which a sleep would make 100.
  template <class Begin>
  void settle(Begin&& begin) {
    const auto began = SteadyClock::now();
    ncclResult_t state = ncclInProgress;
    std::string reason;
    for (bool begun = false;; begun = true) {
      {
        const std::lock_guard lock(mutex_);
        if (begun && !handle_) break; // Aborted.
        state = begun ? async_state() : begin();
        reason = trouble(state);
      }
      if (state == ncclSuccess) return;
      if (state != ncclInProgress || lifeline_.failed()) break;
      const double waited = seconds_between(began, SteadyClock::now());
      if (waited > timeout_.count()) {
        lifeline_.give_up("NCCL: no answer for " + seconds_text(timeout_.count()));
        break;
      }
      rest_after(waited);
    }
    fail_all(reason.empty() ? "the communicator was aborted" : reason);
  }

  [[noreturn]] void fail_all(const std::string& reason) {
    // Whose fault it is, where another rank's: a moment later the lifeline knows.
    lifeline_.expect_failure(std::min<std::chrono::milliseconds>(5s, std::chrono::duration_cast<std::chrono::milliseconds>(timeout_)));
    lifeline_.abort("NCCL: " + reason);
    lifeline_.expect_failure({});
    throw Error(ErrorKind::communication, "NCCL: " + reason);
  }

  Lifeline& lifeline_;
  const int index_;
  const std::chrono::duration<double> timeout_;
  std::mutex mutex_;
  ncclComm_t handle_ = nullptr;
};

class NcclCollective final : public Collective {
 public:
  NcclCollective(std::shared_ptr<Collective> words, int index, double timeout_seconds, NcclCollective* first)
      : words_(std::move(words)), index_(index), timeout_seconds_(timeout_seconds), first_(first), communicator_(*words_, index, seconds()) {
    if (!first_) watch();
  }
  ~NcclCollective() override {
    if (!first_) lifeline_of(*words_).on_failure(nullptr);
  }

  int rank() const override { return words_->rank(); }
  int size() const override { return words_->size(); }
  std::string name() const override { return "nccl"; }
  bool on_gpu() const override { return true; }
  std::vector<std::string> all_gather(const std::string& text) override { return words_->all_gather(text); }
  void barrier() override { words_->barrier(); }
  void abort(const std::string& cause) noexcept override { words_->abort(cause); }
  void all_reduce_sum(at::Tensor values) override { communicator_.all_reduce_sum(values); }
  void broadcast(at::Tensor values, int root) override { communicator_.broadcast(values, root); }
  void check(double waited_seconds) override {
    if (first_) return first_->check(waited_seconds); // What ends one way ends both.
    communicator_.check();
    if (second_) second_->communicator_.check();
    words_->check(waited_seconds);
  }
  void all_gather_into(at::Tensor all, const at::Tensor& values) override { communicator_.all_gather_into(all, values); }
  std::shared_ptr<Collective> second() override {
    if (first_ || second_) return second_;
    second_ = std::make_shared<NcclCollective>(words_, index_, timeout_seconds_, this);
    watch();
    return second_;
  }

 private:
  std::chrono::duration<double> seconds() const { return std::chrono::duration<double>(timeout_seconds_); }
  void watch() {
    lifeline_of(*words_).on_failure([this, second = second_] {
      communicator_.abort();
      if (second) second->communicator_.abort();
    });
  }

  const std::shared_ptr<Collective> words_;
  const int index_;
  const double timeout_seconds_;
  NcclCollective* const first_; ///< Whose second way this is. Null: it is the first itself.
  Communicator communicator_;
  std::shared_ptr<NcclCollective> second_;
};

/// Runs what may fail on this rank alone: the others would wait for it.
template <class Work>
auto ending_all(Collective& words, Work&& work) {
  try {
    return work();
  } catch (const Error& e) {
    words.abort(e.what());
    throw;
  } catch (const c10::Error& e) {
    words.abort(e.what_without_backtrace());
    throw Error(ErrorKind::device, std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace

std::shared_ptr<Collective> join_nccl(std::shared_ptr<Collective> words, const JoinOptions& options) {
  int index = 0;
  const std::string owner = ending_all(*words, [&] {
    check_version();
    index = device_index(options);
    return owner_of(index, options.host_id);
  });
  check_own_gpu(words->all_gather(owner)); // Each finds the same by itself.
  return ending_all(*words, [&]() -> std::shared_ptr<Collective> { return std::make_shared<NcclCollective>(words, index, options.timeout_seconds, nullptr); });
}

}  // namespace millrace::train
