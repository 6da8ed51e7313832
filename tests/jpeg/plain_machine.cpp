// Makes a test binary believe that the machine has no vector instructions worth dispatching to.
#include <gtest/gtest.h>

#include <hwy/highway.h>

namespace {

class PlainMachine : public testing::Environment {
  void SetUp() override { hwy::GetChosenTarget().Update(HWY_STATIC_TARGET); }
};

[[maybe_unused]] testing::Environment* const kPlain = testing::AddGlobalTestEnvironment(new PlainMachine);

}  // namespace
