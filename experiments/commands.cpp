#include "experiments/commands.h"

#include <cstdio>
#include <filesystem>

#include "experiments/records.h"
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
  Spec spec = parse_spec(read_with_sets(arguments), context.host.cores);
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
          share(e["unaccounted_seconds"]),
          e["loss"].is_number() ? fixed(e["loss"], 4) : "not finite",
          percent(e["accuracy"])};
}

}  // namespace

namespace {

/// What one training run leaves: lines on stderr, a table, and results.jsonl. Of several processes it is rank 0's.
class TrainOutput {
 public:
  TrainOutput(const Spec& spec, const std::string& folder, const std::string& run, const Context& context)
      : context_(context), run_(run), records_(folder), table_({"epoch", "wall s", "images/s", "wait %", "update %", "unaccounted %", "loss", "accuracy %"}) {
    if (records_.repaired()) context.out.warning(records_.path() + ": an unfinished last line was removed");
    records_.append(run_record(spec, context, run, "in memory"));
  }
  void epoch(const Json& epoch) {
    records_.append(epoch);
    table_.add(epoch_cells(epoch));
    context_.out.note("epoch " + std::to_string(epoch["epoch"].get<int>()) + ": " + fixed(epoch["wall_seconds"], 2) + " s, " +
                      grouped(epoch["images_per_second"]) + " images/s, loss " +
                      (epoch["loss"].is_number() ? fixed(epoch["loss"], 4) : "not finite") + ", accuracy " + percent(epoch["accuracy"]) + " %");
  }
  void failed(const char* error) { records_.append({{"type", "end"}, {"run", run_}, {"outcome", "failed"}, {"error", error}}); }
  void ended(bool done) {
    records_.append({{"type", "end"}, {"run", run_}, {"outcome", done ? "complete" : "stopped"}, {"ended", now_utc()}});
    context_.out.clear();
    std::printf("%s%s%s\n", table_.text().c_str(), done ? "" : "stopped before the end\n", records_.path().c_str());
  }

 private:
  const Context& context_;
  const std::string run_;
  RecordFile records_;
  Table table_;
};

}  // namespace

int train_command(const SpecArguments& arguments, const Context& context) {
  const Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  open_sources(spec, sources);
  if (context.stop.stop_requested()) return 0;  // Nothing is begun yet.
  const Ranks ranks = context.launched ? joined_ranks(*context.launched, spec, sources.train(spec.data), context.host) : local_ranks(spec, train::load());
  const std::string run = new_run_id(spec);
  std::optional<TrainOutput> output;
  try {
    if (ranks.first()) output.emplace(spec, out_folder(arguments), run, context);
    const std::string faults = ranks.first() ? out_folder(arguments) : "";  // Other ranks' bad samples are counted and warned of.
    const bool done = run_training(spec, sources, context, run, faults, [&](const Json& epoch) { output->epoch(epoch); }, ranks);
    if (output) output->ended(done);
  } catch (const std::exception& e) {
    if (output) output->failed(e.what());
    for (const auto& world : ranks.worlds) world->abort(e.what());  // What ends one rank ends the others, who say why.
    throw;
  }
  return 0;
}

}  // namespace millrace
