#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/pipeline/fakes.h"
#include "tests/train/trainer_fixture.h"

namespace millrace::testing {

/// A set of 28 x 28 pictures with two classes, fed by one loader to the ranks of this process, each a thread with a trainer.
struct Training {
  int ranks = 1;
  std::uint64_t samples = 640, batch = 64, epochs = 1;
  bool drop_last = false;
  int workers = 1;
  std::function<bool(std::uint64_t)> bad;                 ///< Samples to skip.
  double timeout = 30;
  train::TrainOptions options = u8_options("toy");
  std::function<void(int rank, BatchStream& stream, train::Trainer& trainer)> instead; ///< Of the usual epochs.

  static train::TrainOptions u8_options(const std::string& model) {
    auto options = options_for(model);
    options.input.dtype = Dtype::u8;
    options.mean = {0.5};
    options.std = {0.25};
    options.lr = 0.01;
    return options;
  }

  struct Outcome {
    std::vector<train::EpochResult> epochs;
    train::Evaluation evaluation;
    std::vector<float> weights;
    std::string thrown;
    ErrorKind kind = ErrorKind::internal;
  };

  /// What came of each rank.
  std::vector<Outcome> run() const {
    test::FakeSource source(samples, 28);
    source.bad = bad;
    const test::FakeRecipe recipe(28);
    LoaderOptions loading{.workers = workers, .batch = batch, .world_size = ranks, .local_ranks = ranks, .drop_last = drop_last, .seed = 3};
    loading.faults.action = OnBadSample::skip;
    const std::uint64_t steps = drop_last ? samples / batch : (samples + batch - 1) / batch;
    loading.batches = steps * epochs;
    Loader loader(source, recipe, loading);
    LoaderOptions testing_options = loading;
    testing_options.sampler = Sampler::sequential;
    testing_options.drop_last = false;
    testing_options.batches = (samples + batch - 1) / batch;
    Loader test_loader(source, recipe, testing_options);

    auto worlds = millrace_train_api()->local_worlds(ranks, timeout);
    std::vector<Outcome> outcomes(static_cast<std::size_t>(ranks));
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < ranks; ++rank)
        threads.emplace_back([&, rank, world = std::move(worlds[static_cast<std::size_t>(rank)])]() mutable {
          Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
          try {
            auto mine = options;
            mine.world = std::move(world);
            const auto trainer = make(mine);
            mine.world.reset();
            if (instead) {
              instead(rank, loader.stream(rank), *trainer);
            } else {
              for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) outcome.epochs.push_back(train_on(*trainer, loader.stream(rank)));
              outcome.evaluation = trainer->evaluate(test_loader.stream(rank), {});
            }
            outcome.weights = weights_of(*trainer);
          } catch (const Error& e) {
            outcome.thrown = e.what();
            outcome.kind = e.kind();
          }
        });
    }
    loader.request_stop();
    test_loader.request_stop();
    return outcomes;
  }
};

}  // namespace millrace::testing
