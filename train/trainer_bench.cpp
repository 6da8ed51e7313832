// The engine's parts alone, for profiles: steps on batches that are on the device, and the way of batches to it.
#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/error.h"
#include "train/engine.h"

namespace millrace::train {

StepBenchmark EngineTrainer::bench_step(std::span<Batch> resident, double seconds, std::stop_token stop) {
  return together([&](bool&) {
    StepBenchmark result;
    if (resident.empty()) throw Error(ErrorKind::usage, "bench step: no batches to step on");
    engine_->enter();
    engine_->begin(/*training=*/true);
    for (const Batch& batch : resident) check_labels(batch);
    engine_->hold(resident);
    std::size_t next = 0;
    std::uint64_t images = 0, steps = 0;
    // Where the device runs beside its thread, single steps have no end that could be seen without disturbing them.
    // A sample ends with an update of the weights.
    const int least = engine_->uploads_ahead() ? 16 : 1, steps_a_sample = (least + accumulate_ - 1) / accumulate_ * accumulate_;
    const auto run_for = [&](double limit, std::vector<double>* samples) {
      const auto began = SteadyClock::now();
      for (bool over = false; !over;) { // Ranks end together: the flag travels with the gradients.
        const auto sample_began = SteadyClock::now();
        Tally mine;
        int i = 0;
        while (!over && i < steps_a_sample) {
          const bool updates = ++i % accumulate_ == 0;
          engine_->compute_held(next, updates);
          mine.rows += resident[next].rows();
          images += static_cast<std::uint64_t>(resident[next].rows());
          next = (next + 1) % resident.size();
          if (!updates) continue;
          mine.stop = (i == steps_a_sample || accumulate_ > 1) && (seconds_between(began, SteadyClock::now()) >= limit || stop.stop_requested());
          over = engine_->conclude(std::exchange(mine, {})).stop > 0;
        }
        if (steps_a_sample > 1) engine_->synchronize();
        if (samples) samples->push_back(seconds_between(sample_began, SteadyClock::now()) / i);
        steps += static_cast<std::uint64_t>(i);
      }
      return seconds_between(began, SteadyClock::now());
    };
    run_for(std::clamp(seconds / 5, 0.05, 2.0), nullptr);
    images = steps = 0;
    std::vector<double> samples;
    static_cast<void>(engine_->take_reduce_hidden_seconds());
    engine_->meter().start();
    result.seconds = run_for(seconds, &samples);
    result.phases = engine_->meter().stop();
    result.reduce_hidden_seconds = engine_->take_reduce_hidden_seconds();
    engine_->hold({});
    result.steps = steps;
    result.images_per_second = static_cast<double>(images) / result.seconds;
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    result.step_seconds = *middle;
    return result;
  });
}

/// Batches are given back as soon as they are on the device: two copies are under way at once, as many as the device has room for.
StepBenchmark EngineTrainer::bench_upload(BatchStream& stream, double seconds, std::stop_token stop) {
  StepBenchmark result;
  engine_->enter();
  engine_->begin(/*training=*/true);
  std::uint64_t images = 0;
  const auto began = SteadyClock::now();
  while (seconds_between(began, SteadyClock::now()) < seconds && !stop.stop_requested()) {
    std::optional<Batch> batch = stream.try_next();
    if (!batch) {
      engine_->settle_uploads(); // A slot still under way may be the one that the stream is short of.
      batch = stream.next();
    }
    if (!batch) break;
    images += static_cast<std::uint64_t>(batch->rows());
    engine_->upload(*std::move(batch));
    engine_->forget_upload();
    ++result.steps;
  }
  engine_->settle_uploads();
  result.seconds = seconds_between(began, SteadyClock::now());
  if (result.steps == 0) return result;
  result.step_seconds = result.seconds / static_cast<double>(result.steps);
  result.images_per_second = static_cast<double>(images) / result.seconds;
  return result;
}

}  // namespace millrace::train
