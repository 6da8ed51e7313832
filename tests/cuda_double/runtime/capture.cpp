// Stream capture: which streams are part of one, what it forbids, and the graphs that come of it.
#include "tests/cuda_double/runtime/capture.h"

#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "tests/cuda_double/control.h"
#include "tests/cuda_double/runtime/call.h"

namespace cuda_double {

struct Graph {
  std::vector<Stream::Work> work; ///< In the order of capture: branches are run one after another.
  std::uint64_t number = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id owner;
  Stream* origin = nullptr;
  std::set<Stream*> streams;
  bool lost = false;
};

namespace {

struct Captures {
  std::mutex mutex;
  std::set<Graph*> open;
  std::uint64_t last_number = 0;
};
Captures& captures() {
  static auto* const all = new Captures;
  return *all;
}

thread_local cudaStreamCaptureMode t_mode = cudaStreamCaptureModeGlobal;

/// What an executable graph runs.
struct Executable {
  std::vector<Stream::Work> work;
};

}  // namespace

bool this_thread_captures() {
  const std::lock_guard lock(captures().mutex);
  for (const Graph* graph : captures().open)
    if (graph->owner == std::this_thread::get_id()) return true;
  return false;
}

bool forbidden_by_a_capture() {
  if (t_mode == cudaStreamCaptureModeRelaxed) return false;
  bool forbidden = false;
  const std::lock_guard lock(captures().mutex);
  for (Graph* graph : captures().open) {
    const bool mine = graph->owner == std::this_thread::get_id() && graph->mode != cudaStreamCaptureModeRelaxed;
    const bool everyones = graph->mode == cudaStreamCaptureModeGlobal && t_mode == cudaStreamCaptureModeGlobal;
    if (!mine && !everyones) continue;
    graph->lost = forbidden = true;
  }
  return forbidden;
}

bool is_captured(Stream& stream) {
  const std::lock_guard lock(captures().mutex);
  return stream.capture != nullptr;
}

bool captured(Stream& stream, Stream::Work& work) {
  const std::lock_guard lock(captures().mutex);
  if (!stream.capture) return false;
  stream.capture->work.push_back(std::move(work));
  ++stream.captured;
  return true;
}

cudaError_t spoils_capture(Stream& stream, const char* call, const std::string& why, cudaError_t error) {
  {
    const std::lock_guard lock(captures().mutex);
    if (stream.capture) stream.capture->lost = true;
  }
  return illegal(error, call, why);
}

CapturePoint capture_point(Stream& stream) {
  const std::lock_guard lock(captures().mutex);
  if (!stream.capture) return {};
  return {stream.capture->number, &stream, stream.captured};
}

cudaError_t join_capture(Stream& stream, const CapturePoint& event) {
  std::unique_lock lock(captures().mutex);
  Graph* graph = nullptr;
  for (Graph* open : captures().open)
    if (open->number == event.capture) graph = open;
  if (!graph || (stream.capture && stream.capture != graph)) {
    lock.unlock();
    return spoils_capture(stream, "cudaStreamWaitEvent", "waits for an event of another capture", cudaErrorCapturedEvent);
  }
  if (!stream.capture) {
    stream.capture = graph;
    stream.captured = stream.joined = 0;
    graph->streams.insert(&stream);
  }
  event.stream->joined = std::max(event.stream->joined, event.nodes);
  return cudaSuccess;
}

namespace {

/// Streams leave the capture. Returns what was wrong with it.
cudaError_t close(Graph& graph, std::string* why) {
  cudaError_t error = graph.lost ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  for (Stream* stream : graph.streams) {
    if (error == cudaSuccess && stream != graph.origin && stream->captured > stream->joined) {
      *why = "a stream that joined the capture is not waited for at its end";
      error = cudaErrorStreamCaptureUnjoined;
    }
    stream->capture = nullptr;
  }
  captures().open.erase(&graph);
  return error;
}

}  // namespace
}  // namespace cuda_double

using namespace cuda_double;

extern "C" {
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, t_mode);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  if (const cudaError_t error = begin("cudaStreamBeginCapture")) return error;
  if (handle == nullptr || handle == cudaStreamLegacy) return illegal(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture", "the legacy stream");
  Stream* const stream = stream_of(handle, "cudaStreamBeginCapture");
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (is_captured(*stream)) return spoils_capture(*stream, "cudaStreamBeginCapture", "the stream is captured already", cudaErrorIllegalState);
  const std::lock_guard lock(captures().mutex);
  auto* const graph = new Graph;
  graph->number = ++captures().last_number;
  graph->mode = mode;
  graph->owner = std::this_thread::get_id();
  graph->origin = stream;
  graph->streams.insert(stream);
  stream->capture = graph;
  stream->captured = stream->joined = 0;
  captures().open.insert(graph);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* out) {
  if (const cudaError_t error = begin("cudaStreamEndCapture")) return error;
  *out = nullptr;
  Stream* const stream = stream_of(handle, "cudaStreamEndCapture");
  if (!stream) return cudaErrorInvalidResourceHandle;
  std::string why = "the capture was lost by an earlier call";
  cudaError_t error = cudaSuccess;
  std::unique_ptr<Graph> graph;
  {
    const std::lock_guard lock(captures().mutex);
    graph.reset(stream->capture);
    if (!graph) {
      why = "the stream is not captured";
      error = cudaErrorIllegalState;
    } else if (graph->origin != stream || (graph->mode != cudaStreamCaptureModeRelaxed && graph->owner != std::this_thread::get_id())) {
      why = "not the stream or the thread that began the capture";
      error = graph->origin != stream ? cudaErrorStreamCaptureUnmatched : cudaErrorStreamCaptureWrongThread;
      graph.release(); // It goes on.
    } else {
      error = close(*graph, &why);
    }
  }
  if (error == cudaErrorStreamCaptureInvalidated) return answer(error); // The call that lost it was reported.
  if (error != cudaSuccess) return illegal(error, "cudaStreamEndCapture", why);
  *out = reinterpret_cast<cudaGraph_t>(graph.release());
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  Stream* const stream = stream_of(handle, "cudaStreamIsCapturing");
  if (!stream) return cudaErrorInvalidResourceHandle;
  const std::lock_guard lock(captures().mutex);
  *status = !stream->capture ? cudaStreamCaptureStatusNone : stream->capture->lost ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies, const cudaGraphEdgeData** edges, size_t* count) {
  if (const cudaError_t error = cudaStreamIsCapturing(handle, status)) return error;
  Stream* const stream = stream_of(handle, "cudaStreamGetCaptureInfo");
  const std::lock_guard lock(captures().mutex);
  if (id) *id = stream->capture ? stream->capture->number : 0;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(stream->capture);
  if (dependencies) *dependencies = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = reinterpret_cast<Graph*>(graph)->work.size();
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t, cudaGraphNode_t*, cudaGraphEdgeData*, size_t* count) {
  *count = 0;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = begin("cudaGraphInstantiate", InCapture::forbidden, cudaErrorMemoryAllocation)) return error;
  if (!graph) return illegal(cudaErrorInvalidValue, "cudaGraphInstantiate", "no graph");
  *out = reinterpret_cast<cudaGraphExec_t>(new Executable{reinterpret_cast<Graph*>(graph)->work});
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) {
  return cudaSuccess; // Kept: a stream may still run it, which CUDA allows.
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t, const char*, unsigned) { return cudaSuccess; }

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
  if (const cudaError_t error = begin("cudaGraphLaunch", InCapture::allowed, cudaErrorLaunchFailure)) return error;
  Stream* const stream = stream_of(stream_handle, "cudaGraphLaunch");
  if (!stream) return cudaErrorInvalidResourceHandle;
  auto* const executable = reinterpret_cast<Executable*>(handle);
  const auto run = [executable](Time ready) {
    for (const Stream::Work& work : executable->work) ready = work(ready);
    return ready;
  };
  return enqueue(*stream, "cudaGraphLaunch", run, /*kernel=*/true);
}
}
