#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <thread>

#include "tests/cuda_double/runtime/stream.h"

namespace cuda_double {

/// Where an event was recorded within a capture.
struct CapturePoint {
  std::uint64_t capture = 0; ///< The capture's number; 0: none, the event was recorded on a stream that ran.
  Stream* stream = nullptr;
  std::size_t nodes = 0; ///< Nodes of that stream before it.
};

/// Whether the calling thread has begun a capture that goes on.
bool this_thread_captures();
/// Whether a call that captures forbid is made now, in the calling thread; the captures that forbid it are lost.
bool forbidden_by_a_capture();
bool is_captured(Stream& stream);
/// Takes the work into the graph that the stream is captured into. False: it is not captured, and `work` is untouched.
bool captured(Stream& stream, Stream::Work& work);
/// A call that must not be made on a captured stream: its capture is lost.
cudaError_t spoils_capture(Stream& stream, const char* call, const std::string& why, cudaError_t error = cudaErrorStreamCaptureUnsupported);

/// Where an event lies that is recorded on the stream now; no capture where it is not captured.
CapturePoint capture_point(Stream& stream);
/// The stream waits for an event recorded within a capture, and becomes part of it.
cudaError_t join_capture(Stream& stream, const CapturePoint& event);

}  // namespace cuda_double
