#include "train/cuda_wait.h"

#include "pipeline/clock.h"
#include "train/device_wait.h"
#include "train/torch_headers.h"

namespace millrace::train {

void wait_for(const c10::cuda::CUDAEvent& event, Collective* ranks) {
  if (ranks) return wait_for_device(ranks, [&] { return event.query(); });
  constexpr auto kLook = std::chrono::microseconds(50);
  for (const auto end = SteadyClock::now() + kLook; SteadyClock::now() < end;)
    if (event.query()) return;
  event.synchronize();
}

void wait_for(c10::cuda::CUDAStream stream, Collective* ranks) {
  if (ranks) return wait_for_device(ranks, [&] { return stream.query(); });
  if (stream.query()) return;
  c10::cuda::CUDAEvent end(kBlockingWithoutTiming);
  end.record(stream);
  wait_for(end);
}

}  // namespace millrace::train
