#include "tests/cuda_double/runtime/stream.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/capture.h"

namespace cuda_double {
namespace {

struct Streams {
  std::mutex mutex;
  std::set<Stream*> created;
  std::map<int, Stream*> legacy; ///< A default stream a device.
};
Streams& streams() {
  static auto* const all = new Streams;
  return *all;
}

Stream& legacy_stream(int device) {
  const std::lock_guard lock(streams().mutex);
  Stream*& stream = streams().legacy[device];
  if (!stream) stream = new Stream(device, cudaStreamDefault, 0);
  return *stream;
}

bool is_legacy(cudaStream_t handle) { return handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread; }

}  // namespace

Time now() { return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void sleep_until(Time time) {
  const double left = time - now();
  if (left <= 0) return;
  const auto ns = static_cast<long long>(left * 1e3);
  timespec span{ns / 1'000'000'000, ns % 1'000'000'000};
  while (nanosleep(&span, &span) != 0) {
  }
}

void Stream::push(Work work) {
  const std::lock_guard lock(mutex_);
  if (!started_) {
    started_ = true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // Signals are for the program's own threads.
    std::thread([this] { serve(); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  queue_.emplace_back(now(), std::move(work));
  ++pushed_;
  changed_.notify_all();
}

void Stream::serve() {
  prctl(PR_SET_TIMERSLACK, 1000ul); // Nanoseconds; the usual 50 us would be as long as a step's kernels.
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !queue_.empty(); });
    auto [asked, work] = std::move(queue_.front());
    queue_.pop_front();
    const Time ready = std::max(ready_, asked);
    lock.unlock();
    const Time end = work(ready);
    work = nullptr;
    lock.lock();
    ready_ = end;
    ++done_;
    changed_.notify_all();
  }
}

void Stream::wait() {
  std::unique_lock lock(mutex_);
  const std::uint64_t last = pushed_;
  changed_.wait(lock, [&] { return done_ >= last; });
  const Time end = ready_;
  lock.unlock();
  sleep_until(end);
}

bool Stream::idle() {
  const std::lock_guard lock(mutex_);
  return done_ == pushed_ && now() >= ready_;
}

Stream* stream_of(cudaStream_t handle, const char* call) {
  if (is_legacy(handle)) return &legacy_stream(current_device());
  auto* const stream = reinterpret_cast<Stream*>(handle);
  const std::lock_guard lock(streams().mutex);
  if (streams().created.contains(stream) && !stream->destroyed) return stream;
  illegal(cudaErrorInvalidResourceHandle, call, "no such stream");
  return nullptr;
}

cudaError_t enqueue(Stream& stream, const char* call, Stream::Work work, bool kernel) {
  need_context();
  if (kernel && stream.device != current_device()) {
    return illegal(cudaErrorInvalidResourceHandle, call,
                   "stream of device " + std::to_string(stream.device) + ", current device " + std::to_string(current_device()), finding::kWrongDevice);
  }
  if (!captured(stream, work)) stream.push(std::move(work));
  return cudaSuccess;
}

void wait_for_device(int device) {
  std::vector<Stream*> all;
  {
    const std::lock_guard lock(streams().mutex);
    for (Stream* stream : streams().created)
      if (stream->device == device) all.push_back(stream);
    if (const auto found = streams().legacy.find(device); found != streams().legacy.end()) all.push_back(found->second);
  }
  for (Stream* stream : all) stream->wait();
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned flags, int priority) {
  if (const cudaError_t error = begin("cudaStreamCreate")) return error;
  need_context();
  auto* const stream = new Stream(current_device(), flags, priority);
  const std::lock_guard lock(streams().mutex);
  streams().created.insert(stream);
  *handle = reinterpret_cast<cudaStream_t>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) { return cudaStreamCreateWithPriority(handle, flags, 0); }
cudaError_t cudaStreamCreate(cudaStream_t* handle) { return cudaStreamCreateWithPriority(handle, cudaStreamDefault, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  if (const cudaError_t error = begin("cudaStreamDestroy")) return error;
  Stream* const stream = stream_of(handle, "cudaStreamDestroy");
  if (!stream || is_legacy(handle)) return cudaErrorInvalidResourceHandle;
  const std::lock_guard lock(streams().mutex);
  stream->destroyed = true;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  if (const cudaError_t error = begin("cudaStreamSynchronize", InCapture::forbidden)) return error;
  Stream* const stream = stream_of(handle, "cudaStreamSynchronize");
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (is_captured(*stream)) return spoils_capture(*stream, "cudaStreamSynchronize", "waits for a stream that is captured");
  count("host_syncs");
  stream->wait();
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  if (const cudaError_t error = begin("cudaStreamQuery", InCapture::forbidden)) return error;
  Stream* const stream = stream_of(handle, "cudaStreamQuery");
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (is_captured(*stream)) return spoils_capture(*stream, "cudaStreamQuery", "asks about a stream that is captured");
  return stream->idle() ? cudaSuccess : answer(cudaErrorNotReady);
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = begin("cudaDeviceSynchronize", InCapture::forbidden)) return error;
  need_context();
  count("host_syncs");
  wait_for_device(current_device());
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t callback, void* data, unsigned) {
  if (const cudaError_t error = begin("cudaStreamAddCallback", InCapture::forbidden)) return error;
  Stream* const stream = stream_of(handle, "cudaStreamAddCallback");
  if (!stream) return cudaErrorInvalidResourceHandle;
  return enqueue(*stream, "cudaStreamAddCallback", [=](Time ready) {
    sleep_until(ready);
    callback(handle, cudaSuccess, data);
    return now();
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  if (const cudaError_t error = begin("cudaLaunchHostFunc")) return error;
  Stream* const stream = stream_of(handle, "cudaLaunchHostFunc");
  if (!stream) return cudaErrorInvalidResourceHandle;
  return enqueue(*stream, "cudaLaunchHostFunc", [=](Time ready) {
    sleep_until(ready);
    function(data);
    return now();
  });
}

double cuda_double_now() { return now(); }
void cuda_double_sleep_until(double time) { sleep_until(time); }
int cuda_double_enqueue(void* handle, double (*work)(double, void*), void* data, void (*drop)(void*)) {
  const std::shared_ptr<void> owner(data, drop);
  Stream* const stream = stream_of(static_cast<cudaStream_t>(handle), "NCCL");
  if (!stream) return cudaErrorInvalidResourceHandle;
  return enqueue(*stream, "NCCL", [work, owner](Time ready) { return work(ready, owner.get()); });
}
}
