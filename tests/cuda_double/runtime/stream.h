#pragma once

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace cuda_double {

/// Microseconds of the steady clock. Work on a stream carries such times along, so that kernels take the time they are given without anyone
/// sleeping for each: only what has an effect (a copy, an event, a collective) waits until its time has come. A thread that the host's scheduler keeps
/// waiting makes the device no slower in these times; what the host sees of it comes later.
using Time = double;
Time now();
void sleep_until(Time time);

struct Graph;

/// A stream: a queue with a thread. Never destroyed, since the thread may outlive the program's use of it.
class Stream {
 public:
  /// Work: gets the time when the stream is ready for it, returns the time when it has ended.
  using Work = std::function<Time(Time ready)>;

  Stream(int its_device, unsigned its_flags, int its_priority) : device(its_device), flags(its_flags), priority(its_priority) {}

  void push(Work work);
  /// Waits until all that was pushed has ended.
  void wait();
  bool idle();

  const int device; ///< As the program numbers it.
  const unsigned flags;
  const int priority;
  bool destroyed = false;

  // Guarded by capture_mutex() (capture.h).
  Graph* capture = nullptr;
  std::size_t captured = 0, joined = 0; ///< Nodes of this stream in the capture; how many of them another stream waits for.

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Time, Work>> queue_;
  std::uint64_t pushed_ = 0, done_ = 0;
  Time ready_ = 0; ///< When the last work that was done ended.
  bool started_ = false;
};

/// The stream of a handle; null (and a finding) where there is none.
Stream* stream_of(cudaStream_t handle, const char* call);

/// Adds work to the stream, or to the graph that it is captured into. A kernel's stream must be on the current device.
cudaError_t enqueue(Stream& stream, const char* call, Stream::Work work, bool kernel = false);

/// Waits for all streams of a device.
void wait_for_device(int device);

}  // namespace cuda_double
