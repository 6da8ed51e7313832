// The trainer's loop: take a batch, step, take the next one while the device still works. Every stretch of time is booked, and
// where there are several ranks each step ends with what all of them say: stop, failure, a loss that is not finite.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "train/engine.h"
#include "train/range.h"
#include "train/running_median.h"

namespace millrace::train {

/// What the loop must remember of a batch that it handed to the engine.
struct EngineTrainer::Taken {
  std::uint64_t rows = 0;
  std::uint32_t epoch = 0;
  bool end_of_epoch = false;
  Digest digest{Digest::Of::ids};
  std::vector<std::int64_t> labels; ///< In evaluation only.
};

/// On a GPU a label out of range would end the process's use of it, long after and without a name.
void EngineTrainer::check_labels(const Batch& batch) const {
  const auto labels = batch.labels();
  const auto bad = std::find_if(labels.begin(), labels.end(), [&](std::int64_t label) { return label < 0 || label >= classes_; });
  if (bad != labels.end())
    throw Error(ErrorKind::data,
                "sample " + std::to_string(batch.ids()[static_cast<std::size_t>(bad - labels.begin())]) + " has label " + std::to_string(*bad) +
                    ", but the model has " + std::to_string(classes_) + " classes",
                "a source of this program gave a label that is none of its classes: report it, with the set that was read");
}

EngineTrainer::Taken EngineTrainer::describe(const Batch& batch) const {
  check_labels(batch);
  Taken taken{static_cast<std::uint64_t>(batch.rows()), batch.epoch(), batch.end_of_epoch(), Digest(Digest::Of::ids), {}};
  taken.digest.add(batch);
  return taken;
}

/// False: there is no batch (yet, where `wait` is false).
bool EngineTrainer::take(BatchStream& stream, bool wait, Taken& into) {
  Meter& meter = engine_->meter();
  if (wait) {
    // A slot still under way to the device may be the one that the loader is short of.
    const Range range(meter, Phase::upload);
    engine_->settle_uploads();
    meter.host(Phase::upload);
  }
  Range range(meter, Phase::wait);
  std::optional<Batch> batch = wait ? stream.next() : stream.try_next();
  meter.host(Phase::wait);
  if (!batch) return false;
  into = describe(*batch);
  meter.host(Phase::other);
  range.next(Phase::upload);
  if (into.rows > 0) engine_->upload(*std::move(batch));
  batch.reset();
  meter.host(Phase::upload);
  return true;
}

/// Where an epoch stands, and the step that is under way.
struct EngineTrainer::Epoch {
  BatchStream& stream;
  const std::stop_token& stop;
  const std::uint64_t max_steps;
  const PartBegin begin;
  EpochResult result;
  Digest digest{Digest::Of::ids};
  Taken next;                  ///< The batch taken ahead, where `ahead`.
  bool ahead = false;          ///< A batch beyond the one in use is taken only if it will be trained on, unless stopped.
  std::uint64_t step_batches = 0, step_images = 0;
  Digest step_digest{Digest::Of::ids};
  std::exception_ptr failure;  ///< Of this rank, until all know of it.
  Phase doing = Phase::wait;

  /// Of the batch that lies `beyond` those which this step has used.
  std::string place(std::uint64_t beyond) const { return place_of(std::max(result.steps + 1, result.steps + step_batches + beyond)); }
  /// Of a step of this part, counted from the epoch's beginning.
  std::string place_of(std::uint64_t step) const {
    return "epoch " + std::to_string(result.epoch + 1) + ", step " + std::to_string(begin.steps + step);
  }
};

namespace {

const char* words_for(Phase phase) {
  switch (phase) {
    case Phase::wait: return "waiting for a batch";
    case Phase::reduce: return "reduce";
    default: return "forward or backward";
  }
}

/// What one rank tells the others of its failure: the kind of its Error, and the line. Empty: it has none.
std::string words_of(const std::exception_ptr& failure, const std::string& where) {
  if (!failure) return {};
  try {
    std::rethrow_exception(failure);
  } catch (const Error& e) {
    return std::string(1, static_cast<char>('0' + static_cast<int>(e.kind()))) + where + e.what() + '\n' + e.hint();
  } catch (const std::exception& e) {
    return std::string(1, static_cast<char>('0' + static_cast<int>(ErrorKind::internal))) + where + e.what() + '\n';
  }
}

[[noreturn]] void throw_words(const std::string& words) {
  const std::size_t line = words.find('\n');
  throw Error(static_cast<ErrorKind>(words[0] - '0'), words.substr(1, line - 1), words.substr(line + 1));
}

Error not_finite(std::uint32_t epoch, const std::string& step) {
  return Error(ErrorKind::data, "epoch " + std::to_string(epoch + 1) + ", " + step + ", forward: the loss is not finite",
               "a smaller train.lr is the usual remedy; train.on_nonfinite = \"go-on\" trains on");
}

}  // namespace

EngineTrainer::EngineTrainer(std::unique_ptr<Engine> engine, const TrainOptions& options)
    : engine_(std::move(engine)),
      classes_(options.classes),
      accumulate_(options.accumulate),
      stop_at_nonfinite_(options.stop_at_nonfinite),
      lane_(options.trace ? &options.trace->lane(trace_group(options), "trainer") : nullptr),
      world_(options.world && options.world->size() > 1 ? options.world : nullptr) {}

/// Forward and backward of one step, over as many batches as gradients are accumulated. Where there are other ranks, what is thrown
/// here waits in epoch.failure until they know of it.
void EngineTrainer::gather_batches(Epoch& epoch, Tally& mine) {
  epoch.step_batches = epoch.step_images = 0;
  epoch.step_digest = Digest(Digest::Of::ids);
  epoch.doing = Phase::wait;
  try {
    if (epoch.failure) std::rethrow_exception(epoch.failure);
    for (int i = 0; i < accumulate_; ++i) {
      if (!epoch.ahead && !take(epoch.stream, /*wait=*/true, epoch.next)) {
        mine.ended = 1;
        engine_->compute_nothing(/*last=*/true);
        return;
      }
      epoch.ahead = false;
      const Taken& now = epoch.next;
      const bool last = i + 1 == accumulate_ || now.end_of_epoch || epoch.result.steps + epoch.step_batches + 1 >= epoch.max_steps;
      epoch.doing = Phase::forward;
      epoch.result.epoch = now.epoch;
      if (now.rows > 0)
        engine_->compute(last);
      else
        engine_->compute_nothing(last);
      epoch.doing = Phase::wait;
      ++epoch.step_batches;
      epoch.step_images += now.rows;
      epoch.step_digest.add(now.digest);
      epoch.result.complete = now.end_of_epoch;
      if (last) break;
    }
  } catch (const Error& e) {
    if (alone() && epoch.doing == Phase::forward) throw Error(e.kind(), epoch.place(1) + ", " + words_for(epoch.doing) + ": " + e.what(), e.hint());
    if (alone() || engine_->waits_in_forward() || e.kind() == ErrorKind::communication) throw;
    epoch.failure = std::current_exception();
  } catch (const std::exception&) {
    if (alone() || engine_->waits_in_forward()) throw;
    epoch.failure = std::current_exception();
  }
  mine.rows = static_cast<double>(epoch.step_images);
}

/// Begins to move the next batch of this epoch to the device, if it is there already.
void EngineTrainer::take_ahead(Epoch& epoch) {
  if (!engine_->uploads_ahead() || epoch.ahead || epoch.result.complete) return;
  try {
    epoch.ahead = take(epoch.stream, /*wait=*/false, epoch.next);
  } catch (const Error& e) {
    if (alone() || e.kind() == ErrorKind::communication) throw;
    epoch.failure = std::current_exception();
  } catch (const std::exception&) {
    if (alone()) throw;
    epoch.failure = std::current_exception();
  }
}

/// Throws the first cause, the same on every rank, where a rank failed or has a loss that is not finite.
void EngineTrainer::end_where_needed(const Epoch& epoch, const Tally& all) {
  const bool nonfinite = all.nonfinite > 0 && stop_at_nonfinite_;
  if (all.failed == 0 && !nonfinite) return;
  const std::string where = epoch.place(1) + ", " + words_for(epoch.doing) + ": ";
  const Error loss = not_finite(epoch.result.epoch, "step " + std::to_string(epoch.begin.steps + epoch.result.steps + 1));
  if (alone()) throw loss;
  const std::string rank = "rank " + std::to_string(world_->rank()) + ", ";
  std::string words = words_of(epoch.failure, rank + where);
  if (words.empty() && engine_->was_nonfinite()) words = words_of(std::make_exception_ptr(loss), rank);
  for (const std::string& cause : world_->all_gather(words))
    if (!cause.empty()) throw_words(cause);
  throw Error(ErrorKind::internal, "a rank failed and did not say why");
}

/// Of a device that runs beside its thread, where no other rank asks: `sum` is that of the losses of some of this epoch's steps so far.
void EngineTrainer::check_loss(const Epoch& epoch, double sum) const {
  if (alone() && stop_at_nonfinite_ && !std::isfinite(sum))
    throw not_finite(epoch.result.epoch, "at step " + std::to_string(epoch.begin.steps + epoch.result.steps) + " or before");
}

/// Makes of each rank's numbers those of all, and lists the ranks.
void EngineTrainer::exchange(EpochResult& result) const {
  RankResult& mine = result.ranks.at(0);
  mine.rank = world_ ? world_->rank() : 0;
  mine.device = device();
  mine.images = result.images;
  mine.wall_seconds = result.wall_seconds;
  mine.unaccounted_seconds = result.unaccounted_seconds;
  mine.phases = result.phases;
  mine.reduce_hidden_seconds = result.reduce_hidden_seconds;
  if (alone()) return;
  struct Numbers { // As bytes: ranks run the same build, which they have agreed on at the start.
    std::uint64_t images, digest, stop;
    double loss, wall, unaccounted, hidden, busy, own;
    Phases phases;
  };
  static_assert(std::is_trivially_copyable_v<Numbers>);
  const Numbers numbers{result.images, result.digest, result.stop_requested, result.loss, mine.wall_seconds, mine.unaccounted_seconds, mine.reduce_hidden_seconds,
                        mine.step_busy_seconds, mine.step_own_seconds, mine.phases};
  std::string words(sizeof numbers, '\0');
  std::memcpy(words.data(), &numbers, sizeof numbers);
  words += mine.device;
  result.ranks.clear();
  result.images = result.digest = 0;
  result.loss = 0;
  int rank = 0;
  for (const std::string& theirs : world_->all_gather(words)) {
    Numbers n;
    if (theirs.size() < sizeof n) throw Error(ErrorKind::communication, "rank " + std::to_string(rank) + " sent the results of another build");
    std::memcpy(&n, theirs.data(), sizeof n);
    result.images += n.images;
    result.digest += n.digest;
    result.stop_requested = result.stop_requested || n.stop;
    result.loss += n.loss;
    result.ranks.push_back({rank++, theirs.substr(sizeof n), n.images, n.wall, n.unaccounted, n.phases, n.hidden, n.busy, n.own});
  }
}

EpochResult EngineTrainer::train_epoch(BatchStream& stream, std::stop_token stop, const std::function<void(const Progress&)>& on_progress,
                                       std::uint64_t max_steps, PartBegin begin) {
  return together([&](bool& agreed) {
    constexpr auto kProgressInterval = std::chrono::milliseconds(100);
    const auto began = SteadyClock::now();
    Meter& meter = engine_->meter();
    engine_->enter();
    meter.start();
    engine_->begin(/*training=*/true);
    meter.host(Phase::other);
    Epoch epoch{.stream = stream, .stop = stop, .max_steps = max_steps, .begin = begin};
    EpochResult& result = epoch.result;
    result.epoch = begin.epoch;
    result.ranks.resize(1);
    RunningMedian busy, own;
    auto last_progress = began;
    std::uint64_t epoch_number = std::uint64_t{1} + begin.epoch;
    bool stopped = alone() && stop.stop_requested(); // Several ranks stop at a step that all of them take.
    while (!stopped && result.steps < max_steps && !result.complete) {
      Tally mine;
      meter.at(epoch_number, begin.steps + result.steps + 1);
      const Phases before = meter.so_far();
      gather_batches(epoch, mine);
      epoch_number = result.epoch + std::uint64_t{1};
      mine.stop = stop.stop_requested();
      mine.failed = epoch.failure != nullptr;
      // Ranks wait for their devices in conclude: the next batch is on its way by then.
      if (!alone() && !mine.ended && !mine.failed && !mine.stop && result.steps + epoch.step_batches < max_steps) take_ahead(epoch);
      Tally all;
      try {
        all = engine_->conclude(mine);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::communication) throw;
        throw Error(e.kind(), std::string(e.what()) + " (seen by rank " + std::to_string(world_->rank()) + ", " + epoch.place(0) + ", reduce)", e.hint());
      }
      agreed = all.failed > 0 || all.nonfinite > 0;
      end_where_needed(epoch, all);
      if (all.ended > 0) {
        result.complete = false;
        break;
      }
      stopped = all.stop > 0;
      result.steps += epoch.step_batches;
      result.images += epoch.step_images;
      epoch.digest.add(epoch.step_digest);
      const double loss = engine_->seen_loss();
      check_loss(epoch, loss);
      if (SteadyClock::now() - last_progress >= kProgressInterval) {
        last_progress = SteadyClock::now();
        if (on_progress) on_progress({result.images, loss / static_cast<double>(std::max<std::uint64_t>(1, result.images))});
        engine_->ask_for_loss();
      }
      meter.host(Phase::other);
      const Phases after = meter.so_far();
      own.add(after.sum() - after.reduce - (before.sum() - before.reduce));
      busy.add(after.sum() - after.reduce - after.wait - (before.sum() - before.reduce - before.wait));
      if (!stopped && !stop.stop_requested() && result.steps < max_steps) take_ahead(epoch);
    }
    engine_->settle_uploads();
    meter.host(Phase::upload);
    result.phases = meter.stop();
    const auto counted = SteadyClock::now();
    result.loss = engine_->loss();
    check_loss(epoch, result.loss);
    result.weights_norm = engine_->weights_norm();
    result.lr = engine_->last_learning_rate();
    result.digest = epoch.digest.value();
    result.reduce_hidden_seconds = engine_->take_reduce_hidden_seconds();
    result.graph_steps = engine_->take_graph_steps();
    const auto ended = SteadyClock::now();
    result.phases.other += seconds_between(counted, ended);
    result.ranks[0].step_busy_seconds = busy.value();
    result.ranks[0].step_own_seconds = own.value();
    if (lane_) lane_->span(name_of(Phase::other), counted, ended, TraceEvent::Of::step, begin.steps + result.steps);
    if (lane_) lane_->span("epoch", began, ended);
    result.wall_seconds = seconds_between(began, ended);
    result.unaccounted_seconds = result.wall_seconds - result.phases.sum();
    result.stop_requested = stop.stop_requested();
    {
      const Range range(meter, Phase::reduce);  // Of numbers: here ranks wait for one another.
      exchange(result);
    }
    meter.rests();
    result.loss_sum = result.loss;
    result.loss = result.images ? result.loss / static_cast<double>(result.images) : 0;
    return result;
  });
}

Evaluation EngineTrainer::evaluate(BatchStream& stream, std::stop_token stop) {
  return together([&](bool&) {
    const auto began = SteadyClock::now();
    engine_->enter();
    engine_->begin(/*training=*/false);
    engine_->meter().start();
    engine_->meter().evaluates();
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
    result.loss = engine_->loss();
    result.stop_requested = stop.stop_requested();
    add_up(result);
    for (const std::uint64_t n : result.class_correct) result.correct += n;
    if (result.scored > 0) {
      result.loss /= static_cast<double>(result.scored);
      result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.scored);
    }
    const auto ended = SteadyClock::now();
    result.seconds = seconds_between(began, ended);
    if (lane_) lane_->span("evaluate", began, ended);
    engine_->meter().rests();
    return result;
  });
}

void EngineTrainer::save(TrainerState& into, bool own_only) {
  const auto began = SteadyClock::now();
  engine_->enter();
  engine_->save(into, own_only);
  if (lane_) lane_->span("checkpoint", began, SteadyClock::now());
}

Doing EngineTrainer::doing() const {
  const Activity::Seen seen = engine_->meter().doing().seen();
  Doing out{.epoch = static_cast<std::uint32_t>(seen.number >> 40), .step = seen.number & ((std::uint64_t{1} << 40) - 1), .seconds = seconds_between(seen.since, SteadyClock::now())};
  if (seen.kind == Meter::kEvaluates) out.what = "evaluate";
  if (seen.kind >= Meter::kPhases) out.what = name_of(static_cast<Phase>(seen.kind - Meter::kPhases));
  return out;
}

/// Counts of all ranks: each sample was scored by one of them.
void EngineTrainer::add_up(Evaluation& result) const {
  if (alone()) return;
  const std::size_t classes = result.class_count.size();
  std::vector<std::uint64_t> numbers{result.scored, std::bit_cast<std::uint64_t>(result.loss), result.stop_requested};
  numbers.insert(numbers.end(), result.class_count.begin(), result.class_count.end());
  numbers.insert(numbers.end(), result.class_correct.begin(), result.class_correct.end());
  const std::string words(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof numbers[0]);
  result.scored = 0;
  result.loss = 0;
  std::ranges::fill(result.class_count, 0);
  std::ranges::fill(result.class_correct, 0);
  for (const std::string& theirs : world_->all_gather(words)) {
    if (theirs.size() != words.size()) throw Error(ErrorKind::communication, "a rank sent an evaluation of another build or model");
    std::memcpy(numbers.data(), theirs.data(), theirs.size());
    result.scored += numbers[0];
    result.loss += std::bit_cast<double>(numbers[1]);
    result.stop_requested = result.stop_requested || numbers[2];
    for (std::size_t c = 0; c < classes; ++c) {
      result.class_count[c] += numbers[3 + c];
      result.class_correct[c] += numbers[3 + classes + c];
    }
  }
}

}  // namespace millrace::train
