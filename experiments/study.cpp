// millrace study: a grid of runs in one results.jsonl; resumable, repetitions interleaved, failures recorded and passed.
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <set>

#include "experiments/commands.h"
#include "experiments/grid.h"
#include "experiments/phrases.h"
#include "experiments/published.h"
#include "experiments/published_page.h"
#include "experiments/records.h"
#include "experiments/report.h"
#include "experiments/results.h"
#include "experiments/scalars.h"
#include "experiments/tune.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

struct PlannedRun {
  Cell cell;
  int repetition;
  Spec spec;
  std::string digest;
};

/// A --set on an axis takes its place.
void drop_set_axes(const SpecArguments& arguments, std::vector<Axis>& axes) {
  for (const std::string& set : arguments.sets) {
    const std::string key = split_assignment(set, "--set").first;
    std::erase_if(axes, [&](const Axis& axis) { return axis.key == key || (key == "augment" && axis.key.starts_with("augment.")); });
  }
}

/// Every cell is parsed before the first run, so that a study does not end on a mistyped value after an hour.
std::vector<PlannedRun> plan_runs(const Document& base, const StudySpec& study, int cores) {
  std::vector<PlannedRun> runs;
  for (int repetition = 0; repetition < study.repeat; ++repetition)
    for (const Cell& cell : expand(study.axes)) {
      if (skipped(cell, study.when)) continue;
      Spec spec = spec_of(base, cell, repetition, cores, study.when);
      std::string digest = digest_of(spec);
      runs.push_back({cell, repetition, std::move(spec), std::move(digest)});
    }
  return runs;
}

/// Warnings of all cells hold for the study; of a remark about idle keys only what every cell says.
void print_warnings(const std::vector<PlannedRun>& runs, Reporter& out) {
  std::map<std::string, std::size_t> counts;
  for (const PlannedRun& run : runs)
    for (const std::string& warning : run.spec.warnings) ++counts[warning];
  for (const auto& [warning, count] : counts)
    if (count == runs.size() || warning.find("has no effect") == std::string::npos) out.warning(warning);
}

std::set<std::string> finished(const StudyResults& results) {
  std::set<std::string> out;
  for (const RunResult& run : results.runs)
    if (run.complete()) out.insert(run.run.value("spec_digest", ""));
  return out;
}

/// What goes on with the whole grid, whatever --only keeps for now.
std::string study_again(const SpecArguments& arguments) {
  std::string out = "millrace study " + shell_word(arguments.spec);
  for (const std::string& set : arguments.sets) out += " --set " + shell_word(set);
  return out + " --out " + shell_word(out_folder(arguments));
}

/// `all`: the whole grid, whatever --only keeps for now. A report counts the runs of these settings and no others.
Json study_record(const SpecArguments& arguments, const Document& document, const StudySpec& study, const std::vector<PlannedRun>& all) {
  Json axes = Json::object(), runs = Json::array();
  for (const Axis& axis : study.axes) axes[axis.key] = axis.values;
  for (const PlannedRun& run : all) runs.push_back({{"digest", run.digest}, {"cell", to_json(run.cell)}, {"repetition", run.repetition}});
  Json out = {{"type", "study"},
              {"name", std::filesystem::path(arguments.spec).stem().string()},
              {"spec_file", document.file},
              {"command", study_again(arguments)},
              {"axes", axes},
              {"repeat", study.repeat},
              {"scale", study.scale},
              {"runs", runs},
              {"bars", study.stages ? "stages" : "phases"}};
  if (!study.published.empty()) {
    // The figures travel with the results: a report needs nothing else.
    const std::filesystem::path beside = std::filesystem::path(document.file).parent_path() / study.published;
    out["published"] = read_toml(std::filesystem::exists(beside) ? beside.string() : study.published);
  }
  return out;
}

/// What TensorBoard lists it as: its cell's values, which a reader knows, and its repetition.
std::string scalars_name(const PlannedRun& planned) {
  return cell_label(planned.cell) + "-" + std::to_string(planned.repetition + 1) + "-" + planned.digest.substr(0, 6);
}

/// One run with its records. Returns "complete", "stopped" or "failed".
std::string run_one(const PlannedRun& planned, const std::string& folder, RecordFile& records, SourceShelf& sources, const Context& context,
                    bool tensorboard, int& status) {
  const std::string run = planned.digest.substr(0, 12);
  Json record = run_record(planned.spec, context, run, "in memory");
  record["cell"] = to_json(planned.cell);
  record["repetition"] = planned.repetition;
  try {
    record["data"] = data_record(planned.spec, sources);
  } catch (const Error&) {  // This cell's run will fail of it, with the words.
  }
  records.append(record);
  Json end = {{"type", "end"}, {"run", run}};
  std::string outcome;
  const auto failed = [&](const std::string& what, const std::string& hint, ErrorKind kind) {
    outcome = "failed";
    end["error"] = what;
    if (!status) status = exit_code(kind);
    context.out.warning("this run failed: " + what + (hint.empty() ? "" : " (hint: " + hint + ")"));
  };
  std::optional<Scalars> scalars;
  if (tensorboard) scalars.emplace(tensorboard_folder(folder, scalars_name(planned)));
  const auto on_epoch = [&](const Json& epoch) {
    records.append(epoch);
    if (scalars) scalars->epoch(epoch);
  };
  try {
    Spec spec = planned.spec;  // As planned, and so recorded; "auto" workers are settled for this run alone.
    settle_workers(spec, sources, context);
    const Ranks ranks = local_ranks(spec, train::load());
    const bool done = run_training(spec, sources, context, run, folder, on_epoch, ranks);
    outcome = done ? "complete" : "stopped";
  } catch (const Error& e) {
    failed(e.what(), e.hint(), e.kind());
  } catch (const std::bad_alloc&) {
    failed("out of memory", "a smaller data.batch, loader.prefetch or data.subset takes less", ErrorKind::internal);
  } catch (const std::exception& e) {
    failed("internal error: " + std::string(e.what()), "", ErrorKind::internal);
  }
  end["outcome"] = outcome;
  end["ended"] = now_utc();
  records.append(end);
  return outcome;
}

}  // namespace

int study_command(const SpecArguments& arguments, const Context& context) {
  const Document document = read_with_sets(arguments);
  StudySpec study = parse_spec(document, context.host.cores).study;
  drop_set_axes(arguments, study.axes);
  const std::vector<PlannedRun> all = plan_runs(document, study, context.host.cores);
  const Json record = study_record(arguments, document, study, all);
  for (const std::string& only : arguments.only) {
    const auto [key, value] = split_assignment(only, "--only");
    restrict_axis(study.axes, key, value);
  }
  const std::vector<PlannedRun> runs = plan_runs(document, study, context.host.cores);
  if (runs.empty()) throw Error(ErrorKind::usage, document.file + ": no cell is left of the study's grid", "[[study.when]] skips them all");
  print_warnings(runs, context.out);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  open_sources(runs.front().spec, sources);  // Missing data end the study before it begins.
  if (context.stop.stop_requested()) return 0;

  const std::string folder = out_folder(arguments);
  RecordFile records(folder);
  if (records.repaired()) context.out.warning(records.path() + ": an unfinished last line was removed");
  const std::set<std::string> done = finished(collect(read_records(folder)));
  records.append(record);
  int status = 0;
  std::size_t number = 0;
  for (const PlannedRun& planned : runs) {
    ++number;
    const std::string label = "[" + std::to_string(number) + "/" + std::to_string(runs.size()) + "] " + cell_label(planned.cell) +
                              (study.repeat > 1 ? ", repetition " + std::to_string(planned.repetition + 1) : "");
    if (done.contains(planned.digest)) {
      context.out.note(label + ": done before, passed over");
      continue;
    }
    context.out.note(label);
    if (run_one(planned, folder, records, sources, context, arguments.tensorboard, status) == "stopped") return status;
  }
  const Report report = write_report(folder, [&](const std::string& text) { context.out.warning(text); });
  context.out.clear();
  std::printf("\n%s", report.terminal.c_str());
  return status;
}

int report_command(const std::string& folder, const std::string& published, const std::string& out, const Context& context) {
  if (folder.empty() && published.empty())
    throw Error(ErrorKind::usage, "report: neither a folder nor --published", "for example: millrace report out/quickstart");
  const auto warn = [&](const std::string& text) { context.out.warning(text); };
  const Json figures = published.empty() ? Json() : read_toml(published);
  if (folder.empty()) {
    const FigureTable table = read_published(published, figures);
    std::printf("%s", (out.empty() ? published_page(table) : write_published(out, table, warn).terminal).c_str());
    return 0;
  }
  std::printf("%s", write_report(folder, warn, figures).terminal.c_str());
  return 0;
}

}  // namespace millrace
