#include "experiments/commands.h"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "experiments/agreement.h"
#include "experiments/records.h"
#include "experiments/resume.h"
#include "experiments/scalars.h"
#include "experiments/signals.h"
#include "experiments/slow_ranks.h"
#include "experiments/tune.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {

std::pair<std::string, Json> split_assignment(const std::string& text, const char* option) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error(ErrorKind::usage, std::string(option) + ": '" + text + "' is not of the form key=value",
                "for example " + std::string(option) + " loader.workers=2");
  return {text.substr(0, equals), parse_value(text.substr(equals + 1))};
}

Document read_with_sets(const SpecArguments& arguments) {
  Document document = read_document(arguments.spec);
  for (const std::string& set : arguments.sets) {
    const auto [key, value] = split_assignment(set, "--set");
    override_key(document, key, value, "--set " + key);
  }
  if (arguments.ranks) override_key(document, "train.ranks", arguments.ranks, "--ranks");
  return document;
}

Spec read_spec(const SpecArguments& arguments, const Context& context) {
  Spec spec = parse_spec(read_with_sets(arguments), context.host.cores, context.launched.has_value());
  if (context.leads())
    for (const std::string& warning : spec.warnings) context.out.warning(warning);
  return spec;
}

std::string out_folder(const SpecArguments& arguments) {
  return arguments.out.empty() ? (std::filesystem::path("out") / std::filesystem::path(arguments.spec).stem()).string() : arguments.out;
}

namespace {

std::string percent(const Json& value) { return value.is_number() ? fixed(100 * value.get<double>(), 2) : "-"; }

std::vector<std::string> epoch_cells(const Json& e) {
  const double wall = e["wall_seconds"];
  const auto share = [&](double seconds) { return wall > 0 ? fixed(100 * seconds / wall, 1) : "-"; };
  const Json& p = e["phases"];
  const double update = p["forward"].get<double>() + p["backward"].get<double>() + p["reduce"].get<double>() + p["optimizer"].get<double>();
  return {std::to_string(e["epoch"].get<int>()),
          fixed(wall, 2),
          grouped(e["images_per_second"]),
          share(p["wait"]),
          share(update),
          share(std::abs(e["unaccounted_seconds"].get<double>())),
          e["loss"].is_number() ? fixed(e["loss"], 4) : "not finite",
          percent(e["accuracy"])};
}

/// What one training run leaves: lines on stderr, a table, and results.jsonl. Of several processes it is rank 0's.
class TrainOutput {
 public:
  /// Locks the folder: nobody else writes its checkpoints from here.
  TrainOutput(const std::string& folder, const Context& context, bool tensorboard)
      : context_(context), folder_(folder), tensorboard_(tensorboard), records_(folder), table_({"epoch", "wall s", "images/s", "wait %", "update %", "unaccounted %", "loss", "accuracy %"}) {
    if (records_.repaired()) context.out.warning(records_.path() + ": an unfinished last line was removed");
  }
  /// A run begins, or goes on under its name. False: it is complete.
  bool begin(const Spec& spec, SourceShelf& sources, const std::string& run, const Resume* resume, bool at_the_end) {
    run_ = run;
    if (tensorboard_) scalars_.emplace(tensorboard_folder(folder_, shown_name(run)), resume ? resume->state.epoch + 1 : 0);
    bool known = false, complete = false;
    for (const Json& record : resume ? read_records(folder_) : std::vector<Json>{}) {
      if (record.value("run", "") != run) continue;
      known = true;
      if (record.value("type", "") == "end") complete = record.value("outcome", "") == "complete";
      if (record.value("stopped_at_target", false)) at_the_end = true;
    }
    if (complete && at_the_end) return false;
    if (!known) {
      Json record = run_record(spec, context_, run, "in memory");
      record["data"] = data_record(spec, sources);
      records_.append(record);
    }
    if (resume) records_.append(resume_record(*resume, context_));
    return true;
  }
  void epoch(const Json& epoch) {
    records_.append(epoch);
    table_.add(epoch_cells(epoch));
    context_.out.note("epoch " + std::to_string(epoch["epoch"].get<int>()) + ": " + fixed(epoch["wall_seconds"], 2) + " s, " +
                      grouped(epoch["images_per_second"]) + " images/s, loss " +
                      (epoch["loss"].is_number() ? fixed(epoch["loss"], 4) : "not finite") + ", accuracy " + percent(epoch["accuracy"]) + " %" + slow_ranks_text(epoch));
    if (scalars_) scalars_->epoch(epoch);
  }
  void failed(const char* error) noexcept {
    try {
      if (!run_.empty()) records_.append({{"type", "end"}, {"run", run_}, {"outcome", "failed"}, {"error", error}});
    } catch (const std::exception&) { // A full disk, say: what ended the run is what is told.
    }
  }
  /// `stopped_by` empty: the run is complete.
  void ended(const Spec& spec, const std::string& stopped_by) {
    const bool done = stopped_by.empty();
    Json end{{"type", "end"}, {"run", run_}, {"outcome", done ? "complete" : "stopped"}, {"ended", now_utc()}};
    if (!done) end["stopped_by"] = stopped_by;
    records_.append(end);
    context_.out.clear();
    std::printf("%s%s%s\n%s", table_.text().c_str(), done ? "" : "stopped before the end\n", records_.path().c_str(), kept(spec, done).c_str());
  }

 private:
  /// The run as TensorBoard lists it: its folder's name before its own, which is a number.
  std::string shown_name(const std::string& run) const {
    const auto folder = std::filesystem::path(folder_).lexically_normal();
    return (folder.has_filename() ? folder : folder.parent_path()).filename().string() + "-" + run;
  }
  /// What there is of the run's weights, and how to go on.
  std::string kept(const Spec& spec, bool done) const {
    if (spec.train.options.model == "sleep") return {};
    const auto there = spec.train.checkpoints() ? checkpoints_in(checkpoint_folder(folder_)) : std::vector<CheckpointName>();
    if (there.empty()) return "no weights were kept: train.checkpoint_every = 1 keeps those of an epoch's end, and of a stop\n";
    if (done) return there.front().path + "/weights.safetensors\n";
    return there.front().path + ": the same command with --resume auto goes on from here\n";
  }

  const Context& context_;
  const std::string folder_;
  const bool tensorboard_;
  std::string run_;
  std::optional<Scalars> scalars_;
  RecordFile records_;
  Table table_;
};

/// The checkpoint to go on from, if that is wanted and there is one; what a reader should know of it is printed.
std::optional<Resume> resume_of(const SpecArguments& arguments, const Spec& spec, const Source& source, const RankShape& ranks,
                                const std::string& folder, const Context& context) {
  auto resume = arguments.resume.empty() ? std::nullopt : find_resume(arguments.resume, folder);
  if (!resume) check_fresh(spec, folder);
  if (!resume && !arguments.resume.empty()) context.out.note("no checkpoint in " + checkpoint_folder(folder) + " yet: the run begins");
  if (!resume) return resume;
  for (const std::string& reason : resume->passed_over) context.out.warning("checkpoint passed over: " + reason);
  resume->changed = check_resume(*resume, spec, source, ranks);
  for (const std::string& change : resume->changed) context.out.note("resumed with " + change);
  return resume;
}

/// Where ranks are processes, all do what rank 0 found: begin, go on from its checkpoint, or end (`more` false).
void follow_first(const Ranks& ranks, const std::string& folder, std::optional<Resume>& resume, bool& more) {
  const RankShape shape = ranks.shape();
  if (shape.size == shape.local) return;
  const std::string said = ranks.worlds[0]->all_gather(!more ? "end" : resume ? "from " + resume->checkpoint.path : "begin").front();
  more = said != "end";
  if (!ranks.first() && said.starts_with("from ")) resume = find_resume(said.substr(5), folder);
}

/// The signal that stopped the run, and how to call it: that of the first rank that was sent one. All ranks have stopped after the same
/// step, and come to the same answer, so that they end with the same code.
std::pair<int, std::string> stopped_by(const Ranks& ranks, const Context& context) {
  const int mine = context.stop_signal ? context.stop_signal() : 0;
  const RankShape shape = ranks.shape();
  if (shape.size == shape.local) return {mine ? mine : SIGTERM, mine ? name_of_signal(mine) : "a request"};
  int rank = 0;
  for (const std::string& words : ranks.worlds[0]->all_gather(std::to_string(mine))) {
    if (const int signal = std::atoi(words.c_str())) return {signal, name_of_signal(signal) + " on rank " + std::to_string(rank)};
    ++rank;
  }
  return {SIGTERM, "a request"};
}

}  // namespace

int train_command(const SpecArguments& arguments, const Context& context) {
  Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  open_sources(spec, sources);
  if (!context.launched) settle_workers(spec, sources, context);
  if (context.stop.stop_requested()) return 0;  // Nothing is begun yet.
  const Ranks ranks = context.launched ? joined_ranks(*context.launched, spec, sources.train(spec.data)) : local_ranks(spec, train::load());
  const std::string folder = out_folder(arguments);
  const Source& source = sources.train(spec.data);
  std::optional<TrainOutput> output;
  // What a stop leaves is worth some seconds on the disk. Schedulers give 30.
  // So is a step that ranks in other processes end together.
  if ((spec.train.checkpoints() || context.launched) && context.set_patience) context.set_patience(std::chrono::seconds(25));
  try {
    if (context.launched) agree(*ranks.worlds[0], facts_of_classes(source, evaluates(spec) ? sources.test(spec.data) : nullptr));
    if (context.launched) settle_workers(spec, sources, context, &ranks);
    if (ranks.first()) output.emplace(folder, context, arguments.tensorboard);
    auto resume = ranks.first() ? resume_of(arguments, spec, source, ranks.shape(), folder, context) : std::nullopt;
    const std::string run = resume ? resume->state.run : new_run_id(spec);
    if (ranks.first() && spec.train.steps)
      for (const std::string& remark : idle_schedules(spec.train, double(spec.train.steps) / double(epoch_steps_of(spec, source, ranks.shape()))))
        context.out.warning(spec.file + ": " + remark);
    const bool at_the_end = resume && resume->state.position == steps_of(spec, source, ranks.shape());
    bool more = !output || output->begin(spec, sources, run, resume ? &*resume : nullptr, at_the_end);
    follow_first(ranks, folder, resume, more);
    if (!more) {
      if (output) context.out.note("run " + run + " is complete: nothing is left to do");
      return 0;
    }
    const std::string faults = ranks.first() ? folder : "";  // Other ranks' bad samples are counted and warned of.
    const bool done = run_training(spec, sources, context, run, faults, [&](const Json& epoch) { output->epoch(epoch); }, ranks, folder,
                                   resume ? &*resume : nullptr);
    const auto [signal, by] = done ? std::pair<int, std::string>() : stopped_by(ranks, context);
    if (output) output->ended(spec, by);
    if (done && context.came_too_late) context.came_too_late();
    if (!done && context.stop_signal && !context.stop_signal()) context.out.report("stopped by " + by);
    if (!done) return 128 + signal;
  } catch (const std::exception& e) {
    for (const auto& world : ranks.worlds) world->abort(e.what());  // What ends one rank ends the others, who say why.
    if (output) output->failed(e.what());
    throw;
  }
  return 0;
}

}  // namespace millrace
