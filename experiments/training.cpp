#include "experiments/training.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <optional>
#include <random>

#include <nlohmann/json.hpp>

#include "experiments/evaluation.h"
#include "experiments/fault_file.h"
#include "experiments/first_look.h"
#include "experiments/gpus.h"
#include "experiments/kept_memory.h"
#include "experiments/loader_stats.h"
#include "experiments/memory.h"
#include "experiments/opened.h"
#include "experiments/resume.h"
#include "experiments/slow_ranks.h"
#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

bool wants_page_locked(MemoryKind kind, const train::Trainer& trainer) {
  return kind == MemoryKind::page_locked || (kind == MemoryKind::automatic && trainer.device().starts_with("cuda"));
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Json epoch_record(const EpochSums& sums, const std::string& run) {
  const train::EpochResult& e = sums.result();
  Json out;
  out["type"] = "epoch";
  out["run"] = run;
  out["epoch"] = e.epoch + 1;
  out["wall_seconds"] = e.wall_seconds;
  out["images"] = e.images;
  out["steps"] = e.steps;
  out["images_per_second"] = e.wall_seconds > 0 ? double(e.images) / e.wall_seconds : 0.0;
  out["phases"] = to_json(e.phases);
  out["reduce_hidden_seconds"] = e.reduce_hidden_seconds;
  out["unaccounted_seconds"] = e.unaccounted_seconds;
  out["evaluate_seconds"] = 0.0;
  out["checkpoint_seconds"] = sums.checkpoint_seconds;
  out["loss"] = e.images ? finite(e.loss) : Json(nullptr);  // Of no image there is none.
  out["accuracy"] = nullptr;
  out["digest"] = hex(e.digest);
  out["weights_norm"] = finite(e.weights_norm);
  out["lr"] = e.lr;
  out["complete"] = e.complete;
  // All above is of the whole epoch; what follows (loader, ranks, evaluation) is of what came after the resume.
  if (sums.resumed_after) out["resumed_after_steps"] = sums.resumed_after;
  return out;
}

void warn_of_fallback(MemoryKind wanted, const LoaderReport& report, Reporter& out) {
  if (wanted == MemoryKind::page_locked && report.memory != "page-locked")
    out.warning("loader.slot_memory = \"page-locked\", but the slots' memory is " + report.memory);
}

/// Training's loader and the evaluation's live at the same time, under one bound: what the evaluation takes at its smallest is set aside first,
/// and then it gets what training leaves.
FittedMemory fit_both(const Spec& spec, const Source& source, const Source* test, const Recipe& recipe, const Ranks& ranks, LoaderOptions& training,
                      LoaderOptions& evaluation) {
  const RankShape shape = ranks.shape();
  const MemoryBound bound = memory_bound(spec.loader, ranks.on_machine);
  std::uint64_t beside = 0;
  if (test) {
    const auto scoring = make_recipe(spec, test->info(), true);
    evaluation = evaluation_options(spec, *test, shape);
    evaluation.memory = training.memory;
    const std::uint64_t needs = forecast_memory(source, recipe, training).total();
    beside = fit_evaluation(*test, *scoring, evaluation, bound.bytes > needs ? bound.bytes - needs : 0);
  }
  return fit_memory(spec, source, recipe, training, bound, beside);
}

struct Length {
  std::uint64_t epoch_steps, steps, epochs;
};
Length length_of(const Spec& spec, const Source& source, const RankShape& ranks) {
  check_batch(spec, source, ranks);
  const std::uint64_t per_epoch = steps_per_epoch(source.size(), global_batch(spec.data, ranks), spec.loader.drop_last);
  const std::uint64_t steps = spec.train.steps ? spec.train.steps : per_epoch * spec.train.epochs;
  return {per_epoch, steps, (steps + per_epoch - 1) / per_epoch};
}

/// "64", or how a batch that the ranks do not divide is dealt: row r of it goes to rank r modulo the ranks.
std::string rank_batch_text(std::uint64_t batch, int ranks) {
  const std::uint64_t size = static_cast<std::uint64_t>(ranks), least = batch / size, more = batch % size;
  if (more == 0) return std::to_string(least);
  const std::string ranks_text = more == 1 ? "rank 0" : "ranks 0-" + std::to_string(more - 1);
  return std::to_string(least + 1) + " on " + ranks_text + " and " + std::to_string(least) + " on the others";
}

/// How the base rate came about, where it was scaled.
std::string scaling_text(const train::TrainOptions& t) {
  if (t.lr_scaling == train::LrScaling::none) return "";
  const bool linear = t.lr_scaling == train::LrScaling::linear;
  return " (" + significant(t.lr) + " for a global batch of " + std::to_string(t.base_batch) + ", scaled " +
         (linear ? "linearly)" : "with its square root)");
}

void print_start(const Spec& spec, const Source& source, const Source* test, const Crew& crew, const FittedMemory& memory, const Length& length, Reporter& out) {
  const auto& t = spec.train.options;
  const RankShape shape = crew.ranks.shape();
  const train::Trainer& trainer = *crew.trainers[0];
  const bool on_gpu = trainer.device().starts_with("cuda");
  if (t.device == "auto" && t.model != "sleep" && !on_gpu) out.note("device auto: the CPU, since " + why_no_gpu(train::load().gpus(), std::getenv("CUDA_VISIBLE_DEVICES")));
  const std::string ranks = shape.size == 1 ? "" : std::to_string(shape.size) + " ranks (" + way_of_gradients(crew.ranks.worlds[0]->name(), on_gpu) + "), each ";
  out.note(opened_text(source));
  if (test) out.note("evaluated on " + opened_text(*test));
  out.note(t.model + " (" + grouped(double(trainer.parameters())) + " parameters) on " + ranks + trainer.device() + "; workers " +
           std::to_string(spec.loader.workers) + (shape.size == 1 ? "" : " a rank"));
  const std::uint64_t batch = global_batch(spec.data, shape);
  out.note("rank batch " + rank_batch_text(batch, shape.size) + ", global batch " + std::to_string(batch) + ", " +
           grouped(double(length.epoch_steps)) + " steps an epoch, " + grouped(double(length.steps)) + " steps, lr " +
           significant(trainer.learning_rate()) + scaling_text(t) +
           (t.accumulate > 1 ? ", an update every " + std::to_string(t.accumulate) + " of them" : ""));
  out.note(memory.text());
}

Json ranks_record(const train::EpochResult& result) {
  Json out = Json::array();
  for (const train::RankResult& r : result.ranks)
    out.push_back({{"rank", r.rank},
                   {"device", r.device},
                   {"wall_seconds", r.wall_seconds},
                   {"images", r.images},
                   {"phases", to_json(r.phases)},
                   {"reduce_hidden_seconds", r.reduce_hidden_seconds},
                   {"step_busy_seconds", r.step_busy_seconds},
                   {"unaccounted_seconds", r.unaccounted_seconds}});
  return out;
}

/// The stage that took most of each rank's workers' time in this epoch. Ranks that share a process share its loader.
std::vector<std::string> stage_of_ranks(const Ranks& ranks, const LoaderReport& after, const LoaderReport& before) {
  const RankShape shape = ranks.shape();
  const std::string mine = busiest_stage(difference(after, before));
  if (shape.size == shape.local) return std::vector<std::string>(static_cast<std::size_t>(shape.size), mine);
  return ranks.worlds[0]->all_gather(mine);
}

/// Puts the trainers where the checkpoint left them.
void go_on(const Resume& resume, Crew& crew, Reporter& out) {
  crew.run([&](std::size_t r) {
    train::TrainerState state{.weights = resume.checkpoint.tensors.weights, .optimizer = resume.checkpoint.tensors.optimizer};
    if (!crew.ranks.worlds.empty()) state.own = resume.checkpoint.own_of(crew.ranks.worlds[r]->rank());
    try {
      crew.trainers[r]->load(state);
    } catch (const Error& e) {
      throw Error(e.kind(), resume.checkpoint.path + ": of another model: " + e.what(), e.hint());
    }
  });
  if (crew.ranks.first())
    out.note("resumed from " + resume.checkpoint.path + ": step " + grouped(double(resume.state.position)) + ", epoch " +
             std::to_string(resume.state.epoch + 1));
}

}  // namespace

Json to_json(const train::Phases& p) {
  return {{"wait", p.wait},     {"upload", p.upload},       {"forward", p.forward}, {"backward", p.backward},
          {"reduce", p.reduce}, {"optimizer", p.optimizer}, {"other", p.other}};
}

void check_readable(const Spec& spec, const Source& source) {
  const std::string& unreadable = source.info().unreadable;
  if (unreadable.empty() || spec.loader.on_bad_sample != OnBadSample::fail) return;
  throw Error(ErrorKind::data, unreadable, "convert or remove them, or set loader.on_bad_sample to skip or substitute, with loader.max_bad");
}

void check_batch(const Spec& spec, const Source& source, const RankShape& ranks) {
  check_readable(spec, source);
  const std::uint64_t batch = global_batch(spec.data, ranks);
  if (batch <= source.size()) return;
  throw Error(ErrorKind::usage,
              (spec.batch_place.empty() ? spec.file : spec.batch_place) + ": a batch of " + std::to_string(batch) +
                  " is larger than the set (" + std::to_string(source.size()) + " samples)",
              "take a smaller data.batch");
}

namespace {

/// What shows at the last batch of an epoch otherwise, hours later: BatchNorm has no statistics of one row, where that is one value.
void check_last_batch(const Spec& spec, const Source& source, const Length& length, Crew& crew) {
  const auto& t = spec.train.options;
  const RankShape shape = crew.ranks.shape();
  const bool dp = mode_of(spec.train) == Mode::dp, sync = t.norm == train::Norm::syncbn && shape.size > 1;
  const std::uint64_t batch = global_batch(spec.data, shape), rest = source.size() % batch;
  const bool has_rest = rest && !spec.loader.drop_last && length.steps >= length.epoch_steps;
  const std::uint64_t rows = has_rest ? rest : batch, share = sync ? 1 : static_cast<std::uint64_t>(dp ? spec.train.ranks : shape.size);
  const std::uint64_t chunk = (rows + share - 1) / share;  // Of dp's replicas; ranks are dealt row by row.
  const bool one_row = dp ? chunk == 1 || rows % chunk == 1 : rows < 2 * share;
  if (!one_row || !crew.trainers[0]->one_row_is_too_few()) return;
  const std::string whose = share > 1 ? ", dealt to " + std::to_string(share) + " ranks" : "";
  throw Error(ErrorKind::usage,
              (spec.batch_place.empty() ? spec.file : spec.batch_place) + ": " + (has_rest ? "the last batch of an epoch has " : "a batch has ") + std::to_string(rows) +
                  (rows == 1 ? " row" : " rows") + whose + ", and BatchNorm in " + t.model + " cannot train on one row",
              has_rest ? "loader.drop_last = true leaves that batch out; another data.batch divides the " + grouped(double(source.size())) + " samples otherwise"
                       : "take a larger data.batch");
}

}  // namespace

std::uint64_t steps_of(const Spec& spec, const Source& source, const RankShape& ranks) { return length_of(spec, source, ranks).steps; }

std::uint64_t epoch_steps_of(const Spec& spec, const Source& source, const RankShape& ranks) { return length_of(spec, source, ranks).epoch_steps; }

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

bool evaluates(const Spec& spec) { return spec.train.evaluate_every && spec.train.options.model != "sleep"; }

void open_sources(const Spec& spec, SourceShelf& sources) {
  sources.train(spec.data);
  if (evaluates(spec)) sources.test(spec.data);
}

std::string new_run_id(const Spec& spec) {
  char random[8];
  std::snprintf(random, sizeof random, "%04x", std::random_device{}() & 0xFFFFu);
  return digest_of(spec).substr(0, 8) + "-" + now_utc() + "-" + random;
}

Json data_record(const Spec& spec, SourceShelf& sources) {
  Json out{{"train", opened_record(sources.train(spec.data))}};
  if (const Source* test = evaluates(spec) ? sources.test(spec.data) : nullptr) out["test"] = opened_record(*test);
  return out;
}

Json run_record(const Spec& spec, const Context& context, const std::string& run, const std::string& cache_state) {
  const train::Versions v = train::load().versions();
  Json out;
  out["type"] = "run";
  out["run"] = run;
  out["started"] = now_utc();
  out["command"] = context.command;
  out["commit"] = build_commit();
  out["build"] = build_type();
  out["spec_file"] = spec.file;
  out["spec_digest"] = digest_of(spec);
  out["spec"] = to_json(spec);
  out["seed"] = {{"loader", spec.loader.seed}, {"train", spec.train.options.seed}};
  out["host"] = to_json(context.host);
  out["versions"] = {{"millrace", version()}, {"torch", v.torch}, {"cuda", v.cuda},    {"cudnn", v.cudnn},
                     {"nccl", v.nccl},        {"gpu", v.gpu},     {"driver", v.driver}};
  out["cache"] = cache_state;
  return out;
}

/// What the learning rate depends on: updates, and rows an update.
void plan(const Spec& spec, const Source& source, const RankShape& shape, train::TrainOptions& options) {
  const auto every = static_cast<std::uint64_t>(options.accumulate);
  const auto updates = [every](std::uint64_t batches) { return (batches + every - 1) / every; };
  const std::uint64_t batch = global_batch(spec.data, shape), batches = std::max<std::uint64_t>(1, steps_per_epoch(source.size(), batch, spec.loader.drop_last));
  options.global_batch = batch * every;
  options.schedule.steps_an_epoch = updates(batches);
  options.schedule.epochs = spec.train.epochs;
  if (!spec.train.steps) return;
  // An epoch's last update is one of fewer batches, where they do not divide.
  options.schedule.steps = spec.train.steps / batches * updates(batches) + updates(spec.train.steps % batches);
  options.schedule.epochs = static_cast<std::uint32_t>((spec.train.steps + batches - 1) / batches);
}

train::TrainOptions rank_options(const Spec& spec, const Source& source, const RowFormat& input, const Ranks& ranks, std::size_t local,
                                 const Host& host) {
  train::TrainOptions options = trainer_options(spec, source.info(), input);
  plan(spec, source, ranks.shape(), options);
  if (mode_of(spec.train) == Mode::dp) options.replicas = spec.train.ranks;
  if (!ranks.worlds.empty()) options.world = ranks.worlds[local];
  if (!ranks.device.empty()) options.device = ranks.device;
  // Ranks and replicas share the cores; one alone takes them all.
  const int sharers = std::max({options.replicas, ranks.shape().local, ranks.on_cores});
  if (options.threads == 0 && sharers > 1) options.threads = std::max(1, host.cores / sharers);
  return options;
}

bool run_training(const Spec& spec, SourceShelf& sources, const Context& context, const std::string& run, const std::string& folder,
                  const std::function<void(const Json&)>& on_epoch, const Ranks& ranks, const std::string& checkpoints, const Resume* resume) {
  const Source& source = sources.train(spec.data);
  if (!resume) check_weights(spec, source.info());
  const RankShape shape = ranks.shape();
  const Length length = length_of(spec, source, shape);
  const auto recipe = make_recipe(spec, source.info(), false);
  const train::Api& api = train::load();
  KeptMemory page_locked(api.page_locked_memory());  // For every evaluation too; trainers may hold batches until they end.
  Crew crew(ranks);
  crew.run([&](std::size_t r) {
    train::TrainOptions options = rank_options(spec, source, recipe->format(), ranks, r, context.host);
    options.trace = context.trace;
    if (resume) options.weights.clear();  // The checkpoint has them.
    crew.trainers[r] = api.make_trainer(options);
  });
  check_last_batch(spec, source, length, crew);
  std::list<Forensics::Watched> watched;
  for (std::size_t r = 0; r < crew.trainers.size(); ++r) watched.emplace_back(context.forensics, *crew.trainers[r], shape.first + static_cast<int>(r));
  const Source* test = evaluates(spec) ? sources.test(spec.data) : nullptr;

  std::uint64_t position = resume ? resume->state.position : 0, left = length.steps - position;
  EpochSums sums = resume ? resume->state.sums : EpochSums();
  if (resume) go_on(*resume, crew, context.out);

  LoaderOptions options = loader_options(spec, shape);
  options.first_batch = position;
  options.batches = left;
  if (wants_page_locked(spec.loader.slot_memory, *crew.trainers[0])) options.memory = &page_locked;
  options.trace = context.trace;
  LoaderOptions evaluation;
  const FittedMemory memory = fit_both(spec, source, test, *recipe, ranks, options, evaluation);
  if (ranks.first() && !memory.note.empty()) context.out.warning(memory.note);
  FaultFile faults(folder, run), evaluation_faults(folder, run);
  if (test && ranks.first() && sources.first_look(*test, to_json(spec)["augment"].dump()))
    check_test_set(spec, *test, evaluation, evaluation_faults, context.stop, context.out);
  Loader loader(memory.source(source), *recipe, options);
  const Forensics::Watched watched_loader(context.forensics, loader, "loader", spec.loader.watchdog_seconds);
  const FaultWatch watch(loader, faults, spec.loader.on_bad_sample, context.out);
  // A step of several ranks or batches ends whole: the stop travels with it. Where one batch is a step, its wait is cut short.
  std::optional<StopLoader> stopper;
  if (shape.size == 1 && spec.train.options.accumulate == 1) stopper.emplace(context.stop, loader);
  if (ranks.first()) print_start(spec, source, test, crew, memory, length, context.out);

  LoaderReport before;  // Nothing yet: what workers did while all got ready is the first epoch's.
  warn_of_fallback(spec.loader.slot_memory, loader.report(), context.out);
  RunCheckpoints keeper(spec, checkpoints, run, source, crew, length.epoch_steps, context.out);
  bool stopped = false;
  std::uint32_t reached = resume ? resume->state.reached : 0;  // Evaluations in a row with the target accuracy.
  if (resume) keeper.has(position), keeper.reached(reached);
  for (std::uint64_t epoch = resume ? resume->state.epoch : 0; epoch < length.epochs && !stopped; ++epoch, sums = {}) {
    const auto began = SteadyClock::now();
    const double before_epoch = double(sums.result().images);  // Trained before the resume.
    const auto progress = [&](const train::Progress& p) {
      const double seconds = seconds_between(began, SteadyClock::now());
      const double before_part = double(sums.result().images), part = double(p.images) * shape.size;  // Of all ranks, about.
      const double images = before_part + part;
      context.out.progress("epoch " + std::to_string(epoch + 1) + "/" + std::to_string(length.epochs) + "  " + grouped(images) + "/" +
                           grouped(double(source.size())) + " images  loss " + fixed((p.mean_loss * part + sums.result().loss_sum) / std::max(1.0, images), 4) + "  " +
                           grouped((images - before_epoch) / std::max(seconds, 1e-9)) + " images/s");
    };
    // In parts, from checkpoint to checkpoint.
    while (!sums.result().complete && left) {
      const std::uint64_t steps = std::min(left, keeper.steps_to_next(position));
      std::vector<train::EpochResult> results(crew.trainers.size());
      crew.run([&](std::size_t r) {
        const auto shown = r == 0 && ranks.first() ? progress : std::function<void(const train::Progress&)>();
        results[r] = crew.trainers[r]->train_epoch(loader.stream(static_cast<int>(r)), context.stop, shown, steps,
                                                   {static_cast<std::uint32_t>(epoch), sums.steps()});
      });
      const train::EpochResult& part = results[0];  // Of all ranks; times are this rank's.
      sums.add(part);
      position += part.steps;
      left -= part.steps;
      if (part.steps < steps || part.complete || !left || part.stop_requested) break;
      keeper.take(position, epoch, sums);
    }
    const train::EpochResult& result = sums.result();
    const bool last = epoch + 1 == length.epochs;
    // The last epoch of a run over steps ends before its mark.
    const bool whole = result.complete || (last && !left && spec.train.steps);
    const bool due = test && (last || (epoch + 1) % spec.train.evaluate_every == 0);
    stopped = !whole || (result.stop_requested && (due || !last));
    if (whole && !result.images && (result.complete || epoch == 0)) refuse_empty("epoch " + std::to_string(epoch + 1), loader.report());
    // Before the evaluation, which may take long and can be repeated.
    if (stopped || keeper.due_after(epoch, position, last)) keeper.take(position, epoch, sums);
    const LoaderReport after = loader.report();
    Json record = epoch_record(sums, run);
    record["complete"] = whole;
    if (spec.train.options.graph_step) record["graph_steps"] = result.graph_steps;
    record["checkpoint_write_seconds"] = keeper.write_seconds();
    record["loader"] = to_json(difference(after, before));
    record["loader"]["memory_plan"] = to_json(memory);
    record["ranks"] = ranks_record(result);
    if (Json slow = slow_ranks(result.ranks, stage_of_ranks(ranks, after, before)); !slow.empty()) record["slow_ranks"] = std::move(slow);
    before = after;
    if (due && !stopped) {
      try {
        stopped = !evaluate(spec, *test, crew, evaluation, evaluation_faults, context, record);
      } catch (...) {
        if (result.steps && ranks.first()) on_epoch(record);  // The epoch itself was trained.
        throw;
      }
      if (stopped) keeper.take(position, epoch, sums);
    }
    const double target = spec.train.target_accuracy;
    if (due && !stopped && target > 0) reached = record["accuracy"].get<double>() >= target ? reached + 1 : 0;
    const bool there = target > 0 && reached >= spec.train.patience;
    if (there) record["stopped_at_target"] = true;
    keeper.reached(reached);
    if (there) keeper.take(position, epoch, sums);
    if (result.steps && ranks.first()) on_epoch(record);
    if (there) break;
  }
  keeper.finish();
  return !stopped;
}

}  // namespace millrace
