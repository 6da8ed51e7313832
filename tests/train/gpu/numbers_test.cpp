#include "tests/train/gpu/gpu_fixture.h"

// What a GPU computes. Needs a real one.
namespace millrace::testing {
namespace {

TEST_F(CudaNumbers, AnEpochGivesTheCpusWeights) {
  for (const char* optimizer : {"sgd", "adam", "adamw"}) {
    auto options = options_for("lenet");
    options.optimizer = optimizer;
    const auto expected = trained(options, plain_slot_memory());
    options.device = "cuda";
    EXPECT_LT(distance(trained(options, locked()), expected), 1e-4) << optimizer;
  }
}

TEST_F(CudaNumbers, PageableSlotsGiveTheSameWeightsAsPageLockedOnes) {
  EXPECT_LT(distance(trained(options_for("lenet", "cuda"), plain_slot_memory()), trained(options_for("lenet", "cuda"), locked())), 1e-5);
}

TEST_F(CudaNumbers, U8RowsAreNormalisedOnTheDevice) {
  auto options = options_for("lenet");
  options.input.dtype = Dtype::u8;
  options.mean = {0.1307};
  options.std = {0.3081};
  MemoryStream stream(options.input, 8, 1, 1, locked());
  const auto expected = outputs_of(*make(options), stream.lend(0));
  options.device = "cuda";
  EXPECT_LT(distance(outputs_of(*make(options), stream.lend(0)), expected), 1e-4);
}

TEST_F(CudaNumbers, EvaluationGivesTheCpusCounts) {
  MemoryStream stream(digits(), 50, 3, 1, locked());
  const auto expected = make(options_for("lenet"))->evaluate(stream, {});
  stream.rewind();
  const auto result = make(options_for("lenet", "cuda"))->evaluate(stream, {});
  EXPECT_EQ(result.class_correct, expected.class_correct);
  EXPECT_NEAR(result.loss, expected.loss, 1e-4 * expected.loss);
}

TEST_F(CudaNumbers, AGraphOfTheStepGivesTheEagerStepsWeights) {
  for (const char* model : {"lenet", "toy-norm"}) {
    for (const char* optimizer : {"sgd", "adam", "adamw"}) {
      auto options = options_for(model, "cuda");
      options.optimizer = optimizer;
      options.schedule = {.kind = train::ScheduleKind::cosine, .every_step = true, .epochs = 2, .steps_an_epoch = 12};
      options.clip_norm = 1;
      std::vector<std::vector<float>> weights;
      std::vector<double> losses;
      for (const bool graph : {false, true}) {
        options.graph_step = graph;
        const auto trainer = make(options);
        MemoryStream stream(options.input, 32, 12, 9, locked());
        losses.push_back(train_on(*trainer, stream).loss);
        MemoryStream unseen(options.input, 50, 2, 1, locked());
        trainer->evaluate(unseen, {}); // Eager, between replays.
        stream.rewind();
        losses.push_back(train_on(*trainer, stream).loss);
        weights.push_back(weights_of(*trainer));
      }
      EXPECT_LT(distance(weights[1], weights[0]), 1e-5) << model << ' ' << optimizer;
      EXPECT_NEAR(losses[2], losses[0], 1e-4 * losses[0]);
      EXPECT_NEAR(losses[3], losses[1], 1e-4 * losses[1]);
    }
  }
}

TEST_F(CudaNumbers, AGraphDropsWhatTheEagerStepDrops) {
  auto options = options_for("wide_resnet", "cuda");
  options.widen = 1;
  options.dropout = 0.3;
  const auto eager = trained(options, locked());
  options.graph_step = true;
  EXPECT_LT(distance(trained(options, locked()), eager), 1e-4);
}

}  // namespace
}  // namespace millrace::testing
