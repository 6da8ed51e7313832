// Events: recorded on a stream, waited for by streams and by the host, and the time between two.
#include <cuda_runtime_api.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "tests/cuda_double/runtime/call.h"
#include "tests/cuda_double/runtime/capture.h"
#include "tests/cuda_double/runtime/stream.h"

namespace cuda_double {
namespace {

/// Never destroyed, since a queue may hold it.
struct Event {
  int device = 0;
  unsigned flags = 0;

  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0, done = 0; ///< Records asked for; the last that its stream has reached.
  Time time = 0;                        ///< Of the last that was reached.
  CapturePoint captured;                ///< Of the last record.
};

struct Events {
  std::mutex mutex;
  std::set<Event*> live;
};
Events& events() {
  static auto* const all = new Events;
  return *all;
}

Event* event_of(cudaEvent_t handle, const char* call) {
  auto* const event = reinterpret_cast<Event*>(handle);
  const std::lock_guard lock(events().mutex);
  if (events().live.contains(event)) return event;
  illegal(cudaErrorInvalidResourceHandle, call, "no such event, or it was destroyed");
  return nullptr;
}

/// A host never sees an event as soon as it was recorded, however idle the device is.
constexpr Time kUntilSeenUs = 5;

Stream::Work reaching(Event* event, std::uint64_t number) {
  return [event, number](Time ready) {
    sleep_until(ready + kUntilSeenUs);
    const std::lock_guard lock(event->mutex);
    event->done = std::max(event->done, number);
    event->time = ready;
    event->changed.notify_all();
    return ready;
  };
}

/// An event last recorded in a capture is no moment in time.
bool is_captured_event(Event& event, const char* call, cudaError_t* error) {
  const std::lock_guard lock(event.mutex);
  if (event.captured.capture == 0) return false;
  *error = illegal(cudaErrorCapturedEvent, call, "the event was last recorded in a capture");
  return true;
}

}  // namespace
}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  if (const cudaError_t error = begin("cudaEventCreate")) return error;
  need_context();
  auto* const event = new Event;
  event->device = current_device();
  event->flags = flags;
  const std::lock_guard lock(events().mutex);
  events().live.insert(event);
  *handle = reinterpret_cast<cudaEvent_t>(event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* handle) { return cudaEventCreateWithFlags(handle, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  if (const cudaError_t error = begin("cudaEventDestroy")) return error;
  Event* const event = event_of(handle, "cudaEventDestroy");
  if (!event) return cudaErrorInvalidResourceHandle;
  const std::lock_guard lock(events().mutex);
  events().live.erase(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t handle, cudaStream_t stream_handle, unsigned flags) {
  if (const cudaError_t error = begin("cudaEventRecord")) return error;
  Event* const event = event_of(handle, "cudaEventRecord");
  Stream* const stream = stream_of(stream_handle, "cudaEventRecord");
  if (!event || !stream) return cudaErrorInvalidResourceHandle;
  if (event->device != stream->device) {
    return illegal(cudaErrorInvalidResourceHandle, "cudaEventRecord",
                   "event of device " + std::to_string(event->device) + " on a stream of device " + std::to_string(stream->device), finding::kWrongDevice);
  }
  const CapturePoint point = capture_point(*stream);
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(event->mutex);
    const bool external = (flags & cudaEventRecordExternal) != 0; // A node of the graph, which marks a moment whenever it runs.
    event->captured = external ? CapturePoint{} : point;
    if (point.capture != 0 && !external) return cudaSuccess;
    number = ++event->recorded;
  }
  return enqueue(*stream, "cudaEventRecord", reaching(event, number));
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault); }

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned flags) {
  if (const cudaError_t error = begin("cudaStreamWaitEvent")) return error;
  Event* const event = event_of(handle, "cudaStreamWaitEvent");
  Stream* const stream = stream_of(stream_handle, "cudaStreamWaitEvent");
  if (!event || !stream) return cudaErrorInvalidResourceHandle;
  CapturePoint point;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(event->mutex);
    point = event->captured;
    number = event->recorded;
  }
  if (point.capture != 0) return join_capture(*stream, point);
  if (number == 0) return cudaSuccess; // Never recorded: CUDA does not wait.
  if (is_captured(*stream) && !(flags & cudaEventWaitExternal))
    return spoils_capture(*stream, "cudaStreamWaitEvent", "a captured stream waits for an event recorded outside", cudaErrorStreamCaptureIsolation);
  return enqueue(*stream, "cudaStreamWaitEvent", [event, number](Time ready) {
    std::unique_lock lock(event->mutex);
    event->changed.wait(lock, [&] { return event->done >= number; });
    return std::max(ready, event->time);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  cudaError_t error = begin("cudaEventQuery", InCapture::forbidden);
  if (error != cudaSuccess) return error;
  Event* const event = event_of(handle, "cudaEventQuery");
  if (!event) return cudaErrorInvalidResourceHandle;
  if (is_captured_event(*event, "cudaEventQuery", &error)) return error;
  const std::lock_guard lock(event->mutex);
  return event->done >= event->recorded ? cudaSuccess : answer(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  cudaError_t error = begin("cudaEventSynchronize", InCapture::forbidden);
  if (error != cudaSuccess) return error;
  Event* const event = event_of(handle, "cudaEventSynchronize");
  if (!event) return cudaErrorInvalidResourceHandle;
  if (is_captured_event(*event, "cudaEventSynchronize", &error)) return error;
  std::unique_lock lock(event->mutex);
  const std::uint64_t last = event->recorded;
  if (event->done < last) count("event_waits");
  event->changed.wait(lock, [&] { return event->done >= last; });
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (const cudaError_t error = begin("cudaEventElapsedTime")) return error;
  Time times[2] = {};
  for (int i = 0; i < 2; ++i) {
    Event* const event = event_of(i == 0 ? from : to, "cudaEventElapsedTime");
    if (!event) return cudaErrorInvalidResourceHandle;
    const std::lock_guard lock(event->mutex);
    if (event->recorded == 0 || (event->flags & cudaEventDisableTiming))
      return illegal(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime", "the event was never recorded, or has no timing");
    if (event->done < event->recorded) return illegal(cudaErrorNotReady, "cudaEventElapsedTime", "the event has not completed");
    times[i] = event->time;
  }
  *milliseconds = static_cast<float>((times[1] - times[0]) * 1e-3);
  return cudaSuccess;
}
}
