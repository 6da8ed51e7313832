#include <algorithm>
#include <thread>

#include "tests/train/gpu/gpu_fixture.h"

// Every way of training, for some steps each: that it runs to its end and that the GPU, or its double, has nothing to say against it.
namespace millrace::testing {
namespace {

using train::Precision;
using train::TrainOptions;

constexpr const char* kModels[] = {"toy", "toy-norm", "lenet", "resnet18", "wide_resnet", "mobilenetv3_small"};

TrainOptions options_on_gpu(const std::string& model) {
  TrainOptions options = options_for(model, "cuda");
  options.widen = 1;
  return options;
}

/// Two epochs of full batches and a shorter one, an evaluation in larger batches between them. The graph needs some eager steps first.
void train_two_epochs(const TrainOptions& options, SlotMemory& memory) {
  const auto trainer = make(options);
  MemoryStream unseen(options.input, 10, 2, 2, memory);
  for (int epoch = 0; epoch < 2; ++epoch) {
    MemoryStream stream(options.input, 6, 6, 1, memory);
    stream.slots.back()->slot.valid_rows = stream.slots.back()->slot.planned_rows = 2;
    EXPECT_EQ(train_on(*trainer, stream).steps, static_cast<std::uint64_t>(6 / options.accumulate * options.accumulate));
    EXPECT_EQ(stream.home->home, 6);
    EXPECT_EQ(trainer->evaluate(unseen, {}).scored, 20u);
    unseen.rewind();
  }
}

struct Configuration {
  std::string model;
  Precision precision;
  bool graph;
};

class EveryModel : public Cuda, public ::testing::WithParamInterface<Configuration> {};

TEST_P(EveryModel, TrainsInEveryPrecisionEagerAndAsAGraph) {
  TrainOptions options = options_on_gpu(GetParam().model);
  options.precision = GetParam().precision;
  options.graph_step = GetParam().graph;
  const std::uint64_t launches = double_counted("cudaGraphLaunch");
  train_two_epochs(options, locked());
  if (on_cuda_double()) {
    EXPECT_EQ(double_counted("cudaGraphLaunch") > launches, options.graph_step);
  }
}

std::vector<Configuration> configurations() {
  std::vector<Configuration> all;
  for (const char* model : kModels)
    for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp16, Precision::fp16_unscaled})
      for (const bool graph : {false, true}) all.push_back({model, precision, graph});
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Configuration>& test) {
  constexpr const char* kPrecisions[] = {"fp32", "bf16", "fp16", "fp16_unscaled"};
  std::string name = test.param.model + "_" + kPrecisions[static_cast<int>(test.param.precision)] + (test.param.graph ? "_graph" : "_eager");
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryModel, ::testing::ValuesIn(configurations()), name_of);

class EveryOptimizer : public Cuda, public ::testing::WithParamInterface<const char*> {};

TEST_P(EveryOptimizer, ClipsSmoothsAccumulatesAndSchedules) {
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    for (const int accumulate : {1, 2}) {
      TrainOptions options = options_on_gpu("toy-norm");
      options.optimizer = GetParam();
      options.precision = precision;
      options.accumulate = accumulate;
      options.weight_decay = 0.01;
      options.clip_norm = 1;
      options.label_smoothing = 0.1;
      options.schedule = {.kind = train::ScheduleKind::one_cycle, .every_step = true, .epochs = 2, .steps_an_epoch = 6};
      train_two_epochs(options, locked());
    }
  }
}

TEST_P(EveryOptimizer, StepsInAGraph) {
  TrainOptions options = options_on_gpu("lenet");
  options.optimizer = GetParam();
  options.graph_step = true;
  options.clip_norm = 1;
  options.schedule = {.kind = train::ScheduleKind::cosine, .every_step = true, .epochs = 2, .steps_an_epoch = 6};
  if (options.optimizer != "novograd") return train_two_epochs(options, locked());
  std::string message;
  EXPECT_EQ(error_of([&] { make(options); }, &message), ErrorKind::usage);
  EXPECT_THAT(message, ::testing::HasSubstr("is not for novograd"));
}

TEST_P(EveryOptimizer, GoesOnFromWhatItSaved) {
  TrainOptions options = options_on_gpu("toy-norm");
  options.optimizer = GetParam();
  train::TrainerState state;
  std::vector<float> weights;
  {
    const auto trainer = make(options);
    MemoryStream stream(options.input, 6, 3, 1, locked());
    train_on(*trainer, stream);
    trainer->save(state);
    weights = weights_of(*trainer);
  }
  const auto again = make(options);
  again->load(state);
  EXPECT_EQ(weights_of(*again), weights);
  MemoryStream stream(options.input, 6, 3, 1, locked());
  EXPECT_EQ(train_on(*again, stream).steps, 3u);
}

INSTANTIATE_TEST_SUITE_P(Gpu, EveryOptimizer, ::testing::Values("sgd", "adam", "adamw", "novograd"));

TEST_F(Cuda, EveryKindOfRowsIsUploaded) {
  for (const Dtype dtype : {Dtype::f32, Dtype::u8}) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
      for (const bool graph : {false, true}) {
        TrainOptions options = options_on_gpu("resnet18");
        options.input = {3, 32, 32, dtype, layout};
        options.graph_step = graph;
        if (dtype == Dtype::u8) {
          options.mean = {0.4, 0.5, 0.6};
          options.std = {0.2, 0.25, 0.3};
        }
        train_two_epochs(options, locked());
      }
    }
  }
}

TEST_F(Cuda, PageableSlotsAreUploadedToo) { train_two_epochs(options_on_gpu("toy"), plain_slot_memory()); }

TEST_F(Cuda, TwoTrainersTrainAtOnce) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([i] { train_two_epochs(options_on_gpu(i == 0 ? "lenet" : "toy-norm"), locked()); });
}

TEST_F(Cuda, GraphsAreCapturedBesideAnotherTrainer) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([] {
      TrainOptions options = options_on_gpu("lenet");
      options.graph_step = true;
      for (int run = 0; run < 3; ++run) train_two_epochs(options, locked());
    });
}

TEST_F(Cuda, UploadsAreMeasuredAlone) {
  const auto trainer = make(options_on_gpu("toy"));
  class Endless final : public BatchStream {
   public:
    std::optional<Batch> next() override { return try_next(); }
    std::optional<Batch> try_next() override { return from_.lend(next_++ % from_.slots.size()); }

   private:
    MemoryStream from_{digits(), 8, 4, 1, millrace_train_api()->page_locked_memory()};
    std::size_t next_ = 0;
  } stream;
  EXPECT_GT(trainer->bench_upload(stream, 0.05, {}).images_per_second, 0);
}

}  // namespace
}  // namespace millrace::testing
