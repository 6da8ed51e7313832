#include "experiments/kept_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace millrace {
namespace {

/// Counts what it gives and takes back.
class CountingMemory final : public SlotMemory {
 public:
  void* allocate(std::size_t bytes) override { return ++given, plain_slot_memory().allocate(bytes); }
  void release(void* memory, std::size_t bytes) noexcept override { ++back, plain_slot_memory().release(memory, bytes); }
  const char* name() const override { return "counting"; }
  int given = 0, back = 0;
};

TEST(KeptMemory, GivesTheSameSlotsToOneLoaderAfterTheOtherAndAllBackAtItsEnd) {
  CountingMemory from;
  {
    KeptMemory kept(from);
    std::vector<void*> first;
    for (int evaluation = 0; evaluation < 5; ++evaluation) {
      std::vector<void*> slots;
      for (int i = 0; i < 4; ++i) slots.push_back(kept.allocate(4096));
      for (void* slot : slots) kept.release(slot, 4096);
      std::ranges::sort(slots);
      if (first.empty()) first = slots;
      EXPECT_EQ(slots, first);
    }
    EXPECT_EQ(from.given, 4);
    EXPECT_EQ(from.back, 0);
  }
  EXPECT_EQ(from.back, 4);
}

TEST(KeptMemory, NeverGivesASlotOfAnotherSize) {
  CountingMemory from;
  KeptMemory kept(from);
  kept.release(kept.allocate(4096), 4096);
  void* const larger = kept.allocate(8192);
  EXPECT_EQ(from.given, 2);
  kept.release(larger, 8192);
}

}  // namespace
}  // namespace millrace
