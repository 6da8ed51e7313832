#include "pipeline/batch.h"

#include <cstdlib>
#include <new>

#include "pipeline/buffer.h"

namespace millrace {

void Erasures::add(const Erasures& picture, int row) {
  const std::size_t before = values.size();
  for (const Box& box : picture.boxes) boxes.push_back({row, box.roi, before + box.first, box.count});
  values.insert(values.end(), picture.values.begin(), picture.values.end());
}
namespace {

class PlainSlotMemory final : public SlotMemory {
 public:
  void* allocate(std::size_t bytes) override {
    void* memory = std::aligned_alloc(Buffer::kAlignment, (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment);
    if (!memory) throw std::bad_alloc();
    return memory;
  }
  void release(void* memory, std::size_t) noexcept override { std::free(memory); }
  const char* name() const override { return "pageable"; }
};

}  // namespace

SlotMemory& plain_slot_memory() {
  static PlainSlotMemory memory; // Stateless.
  return memory;
}

}  // namespace millrace
