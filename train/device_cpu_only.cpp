// What device_cuda.cpp supplies, for builds without GPU code.
#include "pipeline/error.h"
#include "train/step_graph.h"

namespace millrace::train {
namespace {

class PageableMemory final : public SlotMemory {
 public:
  void* allocate(std::size_t bytes) override { return plain_slot_memory().allocate(bytes); }
  void release(void* memory, std::size_t bytes) noexcept override { plain_slot_memory().release(memory, bytes); }
  const char* name() const override { return "pageable (built without GPU code)"; }
};

}  // namespace

int cuda_devices() noexcept { return 0; }

std::string why_no_cuda(int) { return "this program was built without GPU code"; }

std::unique_ptr<Device> make_cuda_device(const TrainOptions&, int) {
  throw Error(ErrorKind::device, "train.device: this program was built without GPU code", "run 'MILLRACE_CUDA=ON make build', or use device = \"cpu\"");
}

std::unique_ptr<StepGraph> make_step_graph() { throw Error(ErrorKind::internal, "a step graph without GPU code"); }

SlotMemory& page_locked_memory() {
  static PageableMemory memory;
  return memory;
}

Versions cuda_versions() { return {}; }

}  // namespace millrace::train
