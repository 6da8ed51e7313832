// The trainer's loop: take a batch, step, take the next one while the device still works. Every stretch of time is booked.
#include <algorithm>
#include <optional>

#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "train/engine.h"

namespace millrace::train {

Phases& Phases::operator+=(const Phases& o) {
  wait += o.wait;
  upload += o.upload;
  forward += o.forward;
  backward += o.backward;
  reduce += o.reduce;
  optimizer += o.optimizer;
  other += o.other;
  return *this;
}

/// What the loop must remember of a batch that it handed to the engine.
struct EngineTrainer::Taken {
  std::uint64_t rows = 0;
  std::uint32_t epoch = 0;
  bool end_of_epoch = false;
  Digest digest{Digest::Of::ids};
  std::vector<std::int64_t> labels; ///< In evaluation only.
};

EngineTrainer::Taken EngineTrainer::describe(const Batch& batch) const {
  Taken taken{static_cast<std::uint64_t>(batch.rows()), batch.epoch(), batch.end_of_epoch(), Digest(Digest::Of::ids), {}};
  const auto labels = batch.labels();
  // On a GPU a label out of range would end the process's use of it, long after and without a name.
  const auto bad = std::find_if(labels.begin(), labels.end(), [&](std::int64_t label) { return label < 0 || label >= classes_; });
  if (bad != labels.end())
    throw Error(ErrorKind::data,
                "sample " + std::to_string(batch.ids()[static_cast<std::size_t>(bad - labels.begin())]) + " has label " + std::to_string(*bad) +
                    ", but the model has " + std::to_string(classes_) + " classes",
                "give the model as many classes as the data has, with labels from 0");
  taken.digest.add(batch);
  return taken;
}

/// False: there is no batch (yet, where `wait` is false).
bool EngineTrainer::take(BatchStream& stream, bool wait, Taken& into) {
  Meter& meter = engine_->meter();
  if (wait) {
    // A slot still under way to the device may be the one that the loader is short of.
    engine_->settle_uploads();
    meter.host(Phase::upload);
  }
  std::optional<Batch> batch = wait ? stream.next() : stream.try_next();
  meter.host(Phase::wait);
  if (!batch) return false;
  into = describe(*batch);
  meter.host(Phase::other);
  if (into.rows > 0) engine_->upload(*std::move(batch));
  batch.reset();
  meter.host(Phase::upload);
  return true;
}

EpochResult EngineTrainer::train_epoch(BatchStream& stream, std::stop_token stop, const std::function<void(const Progress&)>& on_progress,
                                       std::uint64_t max_steps) {
  constexpr auto kProgressInterval = std::chrono::milliseconds(100);
  const auto began = SteadyClock::now();
  Meter& meter = engine_->meter();
  engine_->enter();
  meter.start();
  engine_->begin(/*training=*/true);
  meter.host(Phase::other);
  EpochResult result;
  Digest digest(Digest::Of::ids);
  auto last_progress = began;
  Taken now;
  bool ahead = false; // A batch beyond the one in use is taken only if it will be trained on, unless stopped.
  while (!stop.stop_requested() && result.steps < max_steps && !result.complete) {
    if (!ahead && !take(stream, /*wait=*/true, now)) break;
    if (now.rows > 0) engine_->step();
    ++result.steps;
    result.images += now.rows;
    result.epoch = now.epoch;
    result.complete = now.end_of_epoch;
    digest.add(now.digest);
    if (on_progress && SteadyClock::now() - last_progress >= kProgressInterval) {
      last_progress = SteadyClock::now();
      on_progress({result.images, engine_->glance_at_loss() / static_cast<double>(std::max<std::uint64_t>(1, result.images))});
    }
    meter.host(Phase::other);
    ahead = engine_->uploads_ahead() && !result.complete && result.steps < max_steps && !stop.stop_requested() &&
            take(stream, /*wait=*/false, now);
  }
  engine_->settle_uploads();
  meter.host(Phase::upload);
  result.phases = meter.stop();
  const auto stopped = SteadyClock::now();
  result.loss = result.images ? engine_->loss() / static_cast<double>(result.images) : 0;
  result.weights_norm = engine_->weights_norm();
  result.digest = digest.value();
  const auto ended = SteadyClock::now();
  result.phases.other += seconds_between(stopped, ended);
  result.wall_seconds = seconds_between(began, ended);
  result.unaccounted_seconds = result.wall_seconds - result.phases.sum();
  return result;
}

Evaluation EngineTrainer::evaluate(BatchStream& stream, std::stop_token stop) {
  const auto began = SteadyClock::now();
  engine_->enter();
  engine_->begin(/*training=*/false);
  engine_->meter().start();
  Evaluation result;
  result.class_count.assign(static_cast<std::size_t>(classes_), 0);
  for (bool more = true; more && !stop.stop_requested();) {
    engine_->settle_uploads();
    std::optional<Batch> batch = stream.next();
    if (!batch) break;
    const Taken taken = describe(*batch);
    for (const std::int64_t label : batch->labels()) ++result.class_count[static_cast<std::size_t>(label)];
    result.scored += taken.rows;
    more = !taken.end_of_epoch;
    if (taken.rows == 0) continue;
    engine_->upload(*std::move(batch));
    engine_->score();
  }
  engine_->settle_uploads();
  result.class_correct = engine_->class_correct();
  result.class_correct.resize(result.class_count.size());
  for (const std::uint64_t n : result.class_correct) result.correct += n;
  if (result.scored > 0) {
    result.loss = engine_->loss() / static_cast<double>(result.scored);
    result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.scored);
  }
  result.seconds = seconds_between(began, SteadyClock::now());
  return result;
}

StepBenchmark EngineTrainer::bench_step(std::span<Batch> resident, double seconds, std::stop_token stop) {
  StepBenchmark result;
  if (resident.empty()) throw Error(ErrorKind::usage, "bench step: no batches to step on");
  engine_->enter();
  engine_->begin(/*training=*/true);
  for (const Batch& batch : resident) static_cast<void>(describe(batch));
  engine_->hold(resident);
  std::size_t next = 0;
  std::uint64_t images = 0;
  const auto step = [&] {
    engine_->step_on(next);
    images += static_cast<std::uint64_t>(resident[next].rows());
    next = (next + 1) % resident.size();
  };
  // Where the device runs beside its thread, single steps have no end that could be seen without disturbing them.
  const int steps_a_sample = engine_->uploads_ahead() ? 16 : 1;
  const auto run_for = [&](double limit, std::vector<double>* samples) {
    const auto began = SteadyClock::now();
    do {
      const auto sample_began = SteadyClock::now();
      for (int i = 0; i < steps_a_sample; ++i) step();
      if (steps_a_sample > 1) engine_->synchronize();
      if (samples) samples->push_back(seconds_between(sample_began, SteadyClock::now()) / steps_a_sample);
    } while (seconds_between(began, SteadyClock::now()) < limit && !stop.stop_requested());
    return seconds_between(began, SteadyClock::now());
  };
  run_for(std::clamp(seconds / 5, 0.05, 2.0), nullptr);
  images = 0;
  std::vector<double> samples;
  engine_->meter().start();
  result.seconds = run_for(seconds, &samples);
  result.phases = engine_->meter().stop();
  engine_->hold({});
  result.steps = samples.size() * static_cast<std::size_t>(steps_a_sample);
  result.images_per_second = static_cast<double>(images) / result.seconds;
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  result.step_seconds = *middle;
  return result;
}

}  // namespace millrace::train
