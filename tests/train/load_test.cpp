#include <gmock/gmock.h>

#include "tests/train/memory_stream.h"
#include "train/load.h"
#include "pipeline/error.h"

// Through the door that programs use: this binary does not link the training library.
namespace millrace::train {
namespace {

using ::testing::HasSubstr;

TEST(LoadedLibrary, TrainsAnEpoch) {
  TrainOptions options{.model = "toy", .input = {1, 28, 28, Dtype::f32, Layout::nchw}, .device = "cpu"};
  const auto trainer = load().make_trainer(options);
  millrace::testing::MemoryStream stream(options.input, 8, 3);
  EXPECT_EQ(trainer->train_epoch(stream, {}, {}).images, 24u);
}

TEST(LoadedLibrary, ItsErrorsAreCaughtByTypeOnThisSide) {
  try {
    load().make_trainer({.model = "none", .device = "cpu"});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_THAT(e.what(), HasSubstr("unknown model 'none'"));
  }
}

TEST(LoadedLibrary, ErrorsOfThisSideCrossItUnchanged) {
  TrainOptions options{.model = "toy", .input = {1, 28, 28, Dtype::f32, Layout::nchw}, .device = "cpu"};
  const auto trainer = load().make_trainer(options);
  millrace::testing::MemoryStream stream(options.input, 8, 3);
  stream.on_next = [](std::size_t) { throw Error(ErrorKind::data, "from the stream", "a hint"); };
  try {
    trainer->train_epoch(stream, {}, {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "from the stream");
    EXPECT_EQ(e.hint(), "a hint");
  }
}

TEST(LoadedLibrary, NamesItsVersions) {
  const Versions v = load().versions();
  EXPECT_EQ(v.torch, "2.11.0");
  EXPECT_EQ(v.gpu.empty(), v.driver.empty());
}

TEST(LoadedLibrary, GivesMemoryForSlotsWithOrWithoutAGpu) {
  SlotMemory& memory = load().page_locked_memory();
  void* p = memory.allocate(1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
  memory.release(p, 1000);
  if (load().versions().gpu.empty())
    EXPECT_THAT(memory.name(), HasSubstr("pageable"));
  else
    EXPECT_STREQ(memory.name(), "page-locked");
}

TEST(MissingLibrary, IsADeviceErrorWithTheSystemsReasonForEachPlace) {
  try {
    load_from({"/nowhere/libmillrace_train.so", "libno_such_library.so"});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
    EXPECT_THAT(e.what(), HasSubstr("/nowhere/libmillrace_train.so"));
    EXPECT_THAT(e.what(), HasSubstr("libno_such_library.so"));
    EXPECT_THAT(e.hint(), HasSubstr("make build"));
  }
}

}  // namespace
}  // namespace millrace::train
