#include "experiments/training.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include <nlohmann/json.hpp>

#include "experiments/fault_file.h"
#include "experiments/loader_stats.h"
#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

/// Requests the loader's stop when the run's is requested, so that a trainer waiting for a batch wakes.
class StopLoader {
 public:
  StopLoader(std::stop_token token, Loader& loader) : callback_(std::move(token), Call{&loader}) {}

 private:
  struct Call {
    Loader* loader;
    void operator()() const noexcept { loader->request_stop(); }
  };
  std::stop_callback<Call> callback_;
};

SlotMemory* memory_for(MemoryKind kind, const train::Api& api, const train::Trainer& trainer) {
  const bool wanted = kind == MemoryKind::page_locked || (kind == MemoryKind::automatic && trainer.device().starts_with("cuda"));
  return wanted ? &api.page_locked_memory() : nullptr;
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

/// Not-a-number has no JSON; null says so.
Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json epoch_record(const train::EpochResult& e, const std::string& run) {
  Json out;
  out["type"] = "epoch";
  out["run"] = run;
  out["epoch"] = e.epoch + 1;
  out["wall_seconds"] = e.wall_seconds;
  out["images"] = e.images;
  out["steps"] = e.steps;
  out["images_per_second"] = e.wall_seconds > 0 ? double(e.images) / e.wall_seconds : 0.0;
  out["phases"] = to_json(e.phases);
  out["unaccounted_seconds"] = e.unaccounted_seconds;
  out["evaluate_seconds"] = 0.0;
  out["checkpoint_seconds"] = 0.0;
  out["loss"] = finite(e.loss);
  out["accuracy"] = nullptr;
  out["digest"] = hex(e.digest);
  out["weights_norm"] = finite(e.weights_norm);
  out["complete"] = e.complete;
  return out;
}

void add_evaluation(Json& record, const train::Evaluation& e) {
  record["evaluate_seconds"] = e.seconds;
  record["accuracy"] = e.accuracy;
  record["evaluation_loss"] = finite(e.loss);
  record["scored"] = e.scored;
  record["per_class_accuracy"] = Json::array();
  for (std::size_t c = 0; c < e.class_count.size(); ++c)
    record["per_class_accuracy"].push_back(e.class_count[c] ? Json(double(e.class_correct[c]) / double(e.class_count[c])) : Json(nullptr));
  record["class_count"] = e.class_count;
}

/// Scores the test set; its bad samples are treated as in training. Returns false where a stop came first.
bool evaluate(const Spec& spec, const Source& test, train::Trainer& trainer, SlotMemory* memory, FaultFile& faults, const Context& context,
              Json& record) {
  const auto recipe = make_recipe(spec, test.info(), true);
  LoaderOptions options = evaluation_options(spec, test);
  options.memory = memory;
  Loader loader(test, *recipe, options);
  const FaultWatch watch(loader, faults, spec.loader.on_bad_sample, context.out, "evaluation: ");
  StopLoader stopper(context.stop, loader);
  const train::Evaluation evaluation = trainer.evaluate(loader.stream(), context.stop);
  if (context.stop.stop_requested()) return false;
  add_evaluation(record, evaluation);
  record["evaluation_bad_samples"] = loader.report().bad_samples;
  return true;
}

void warn_of_fallback(MemoryKind wanted, const LoaderReport& report, Reporter& out) {
  if (wanted == MemoryKind::page_locked && report.memory != "page-locked")
    out.warning("loader.memory = \"page-locked\", but the slots' memory is " + report.memory);
}

struct Length {
  std::uint64_t epoch_steps, steps, epochs;
};
Length length_of(const Spec& spec, const Source& source) {
  check_batch(spec, source);
  const std::uint64_t per_epoch = steps_per_epoch(source.size(), spec.data.batch, spec.loader.drop_last);
  const std::uint64_t steps = spec.train.steps ? spec.train.steps : per_epoch * spec.train.epochs;
  return {per_epoch, steps, (steps + per_epoch - 1) / per_epoch};
}

void print_start(const Spec& spec, const Source& source, const train::Trainer& trainer, const Loader& loader, const Length& length,
                 Reporter& out) {
  const auto& t = spec.train.options;
  out.note(source.info().name + ": " + grouped(double(source.size())) + " images; " + t.model + " (" +
           grouped(double(trainer.parameters())) + " parameters) on " + trainer.device() + "; workers " +
           std::to_string(spec.loader.workers));
  out.note("rank batch " + std::to_string(spec.data.batch) + ", global batch " + std::to_string(spec.data.batch) + ", " +
           grouped(double(length.epoch_steps)) + " steps an epoch, " + grouped(double(length.steps)) + " steps, lr " + significant(t.lr) +
           "; slots take " + bytes_text(double(loader.bytes())));
}

}  // namespace

Json to_json(const train::Phases& p) {
  return {{"wait", p.wait},     {"upload", p.upload},       {"forward", p.forward}, {"backward", p.backward},
          {"reduce", p.reduce}, {"optimizer", p.optimizer}, {"other", p.other}};
}

void check_batch(const Spec& spec, const Source& source) {
  if (spec.data.batch <= source.size()) return;
  throw Error(ErrorKind::usage,
              (spec.batch_place.empty() ? spec.file : spec.batch_place) + ": a batch of " + std::to_string(spec.data.batch) +
                  " is larger than the set (" + std::to_string(source.size()) + " samples)",
              "take a smaller data.batch");
}

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

bool run_training(const Spec& spec, SourceShelf& sources, const Context& context, const std::string& run, const std::string& folder,
                  const std::function<void(const Json&)>& on_epoch) {
  const Source& source = sources.train(spec.data);
  const Length length = length_of(spec, source);
  const auto recipe = make_recipe(spec, source.info(), false);
  const train::Api& api = train::load();
  const auto trainer = api.make_trainer(trainer_options(spec, source.info(), recipe->format()));
  const Source* test = evaluates(spec) ? sources.test(spec.data) : nullptr;

  LoaderOptions options = loader_options(spec);
  options.batches = length.steps;
  options.memory = memory_for(spec.loader.memory, api, *trainer);
  Loader loader(source, *recipe, options);
  FaultFile faults(folder, run), evaluation_faults(folder, run);
  const FaultWatch watch(loader, faults, spec.loader.on_bad_sample, context.out);
  StopLoader stopper(context.stop, loader);
  print_start(spec, source, *trainer, loader, length, context.out);

  LoaderReport before = loader.report();
  warn_of_fallback(spec.loader.memory, before, context.out);
  std::uint64_t left = length.steps;
  for (std::uint64_t epoch = 0; epoch < length.epochs; ++epoch) {
    const auto began = SteadyClock::now();
    const auto progress = [&](const train::Progress& p) {
      const double seconds = seconds_between(began, SteadyClock::now());
      context.out.progress("epoch " + std::to_string(epoch + 1) + "/" + std::to_string(length.epochs) + "  " + grouped(double(p.images)) +
                           "/" + grouped(double(source.size())) + " images  loss " + fixed(p.mean_loss, 4) + "  " +
                           grouped(double(p.images) / std::max(seconds, 1e-9)) + " images/s");
    };
    const train::EpochResult result = trainer->train_epoch(loader.stream(), context.stop, progress, left);
    const LoaderReport after = loader.report();
    const bool last = epoch + 1 == length.epochs;
    // The last epoch of a run over steps ends before its mark.
    const bool whole = result.complete || (last && result.steps == left && spec.train.steps);
    Json record = epoch_record(result, run);
    record["complete"] = whole;
    record["loader"] = to_json(difference(after, before));
    record["ranks"] = Json::array({{{"rank", 0},
                                    {"device", trainer->device()},
                                    {"wall_seconds", result.wall_seconds},
                                    {"images", result.images},
                                    {"phases", to_json(result.phases)},
                                    {"unaccounted_seconds", result.unaccounted_seconds}}});
    left -= std::min(left, result.steps);
    before = after;
    const bool due = test && (last || (epoch + 1) % spec.train.evaluate_every == 0);
    bool stopped = !whole || (context.stop.stop_requested() && (due || !last));
    if (due && !stopped) stopped = !evaluate(spec, *test, *trainer, options.memory, evaluation_faults, context, record);
    if (result.steps) on_epoch(record);
    if (stopped) return false;
  }
  return true;
}

}  // namespace millrace
