#include "experiments/cli.h"

#include <CLI/CLI.hpp>

#include <cstdlib>

#include "experiments/commands.h"
#include "experiments/gpus.h"
#include "experiments/launch.h"
#include "experiments/phrases.h"
#include "experiments/processes.h"
#include "experiments/trace_file.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

void spec_options(CLI::App& command, SpecArguments& a) {
  command.add_option("spec", a.spec, "spec file (TOML)")->required()->type_name("SPEC");
  // One value an occurrence: otherwise a spec after --set would be taken for another assignment.
  command.add_option("--set", a.sets, "override one key; may be given again")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void out_option(CLI::App& command, SpecArguments& a) {
  command.add_option("--out", a.out, "folder of results.jsonl, tables and plots (default: out/<name of the spec>)")->type_name("DIR");
}

void ranks_option(CLI::App& command, SpecArguments& a, const char* what = "ranks, as threads of this process; the same as --set train.ranks=N") {
  command.add_option("--ranks", a.ranks, what)
      ->type_name("N")
      ->check(CLI::Range(1, 256));
}

void faults_option(CLI::App& command, SpecArguments& a) {
  command.add_option("--out", a.out, "folder of faults.jsonl, where there are bad samples (default: they are only counted)")
      ->type_name("DIR");
}

/// A range that nan is outside of.
CLI::Validator duration() {
  const auto check = [](std::string& text) -> std::string {
    double seconds = 0;
    const bool fits = CLI::detail::lexical_cast(text, seconds) && seconds >= 0.01 && seconds <= 86400;
    return fits ? "" : "'" + shortened(text) + "' is not a number of seconds, 0.01 to 86400";
  };
  return {check, "0.01 to 86400"};
}

void bench_options(CLI::App& command, SpecArguments& a) {
  spec_options(command, a);
  command.add_option("--seconds", a.seconds, "length of the measured window (3)")->type_name("S")->check(duration());
  command.add_flag("--json", a.json, "the last line of stdout is one JSON object");
}

void view_options(CLI::App& command, SpecArguments& a) {
  spec_options(command, a);
  command.add_option("--out", a.out, "the sheet (default: sheet.png)")->type_name("FILE.png");
  command.add_option("--samples", a.samples, "rows: the first samples of the first epoch (6)")->type_name("N")->check(CLI::Range(0, 60));
  command.add_option("--versions", a.versions, "augmented pictures beside each original: epochs 1 to M (5)")
      ->type_name("M")
      ->check(CLI::Range(0, 60));
  command.add_option("--bad", a.bad, "files to show too, broken ones for example")->type_name("FILE...");
}

std::string command_line(int argc, char** argv) {
  std::string out = "millrace";
  for (int i = 1; i < argc; ++i) out += " " + shell_word(argv[i]);
  return out;
}

/// `--processes N` itself is not for the ranks.
std::vector<std::string> arguments_of_ranks(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--processes") ++i;
    else if (!word.starts_with("--processes=")) out.push_back(word);
  }
  return out;
}

/// What has started this process as one of several ranks; empty: nothing has. Ranks make sense for training alone: any other command
/// would run once in each process, into the same files. By itself it may run whatever half a launch the environment holds.
std::optional<Launched> launched_for(bool training) {
  std::optional<Launched> launched;
  try {
    launched = launched_as(environment_variable);
  } catch (const Error&) {
    if (training) throw;
  }
  if (!launched || training) return launched;
  throw Error(ErrorKind::usage, launched->said() + ", but only 'millrace train' runs on ranks", "start it by itself; " + launched->alone);
}

void check_counts(const SpecArguments& a, const std::optional<Launched>& launched, int processes) {
  if (processes && a.ranks)
    throw Error(ErrorKind::usage, "both --ranks and --processes: the one are threads of a process, the other processes, each a rank", "give one of them");
  if (processes && launched) throw Error(ErrorKind::usage, launched->said() + ", and --processes would start more", "leave --processes out");
}

/// c10d asks for the names of loopback's addresses, also where nobody answers such questions: then the ranks' start takes seconds more for
/// each. A second is enough where no host has to be looked up; the user's own choice stays.
void keep_names_from_waiting(const Launched& launched) {
  if (launched.join.host == "localhost" || launched.join.host.starts_with("127.")) setenv("RES_OPTIONS", "timeout:1 attempts:1", /*overwrite=*/0);
}

void trace_option(CLI::App& command, SpecArguments& a) {
  command.add_option("--trace", a.trace, "what each thread did, as JSON for ui.perfetto.dev (of several processes: FILE.rankR.json)")->type_name("FILE");
}

/// SIGUSR1 asks where everything is.
class ReportOnSignal {
 public:
  ReportOnSignal(Signals& signals, Forensics& forensics) : signals_(signals) {
    signals.on_report([&forensics] { forensics.report(); });
  }
  ~ReportOnSignal() { signals_.on_report({}); }
  ReportOnSignal(const ReportOnSignal&) = delete;
  ReportOnSignal& operator=(const ReportOnSignal&) = delete;

 private:
  Signals& signals_;
};

}  // namespace

int run_cli(int argc, char** argv, Signals& signals) {
  CLI::App app("Millrace: an image training pipeline that tells the cost of loading from the cost of computing", "millrace");
  app.set_version_flag("--version", std::string("millrace ") + version() + " (" + build_commit() + ", " + build_type() + ")");
  app.require_subcommand(1);
  SpecArguments a;
  std::string folder, published;
  std::vector<std::string> names;

  auto* train = app.add_subcommand("train", "one training run");
  spec_options(*train, a);
  out_option(*train, a);
  ranks_option(*train, a, "ranks: processes with a GPU each where there are enough, else threads of this process; as train.ranks");
  int processes = 0;
  train->add_option("--processes", processes, "ranks, each a process on this host")->type_name("N")->check(CLI::Range(1, 1024));
  trace_option(*train, a);
  train->add_flag("--tensorboard", a.tensorboard, "event files for TensorBoard, in DIR/tensorboard");
  train->add_option("--resume", a.resume, "go on from a checkpoint: auto (the newest whole one of --out) or its path")->type_name("auto|PATH");
  auto* study = app.add_subcommand("study", "a grid of runs: resumable, repetitions interleaved; ends with a table and a plot");
  spec_options(*study, a);
  out_option(*study, a);
  ranks_option(*study, a);
  study->add_flag("--tensorboard", a.tensorboard, "event files for TensorBoard, a run a cell, in DIR/tensorboard");
  study->add_option("--only", a.only, "keep one value of an axis; may be given again")
      ->type_name("AXIS=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* view = app.add_subcommand("view", "a contact sheet: originals beside what training sees of them");
  view_options(*view, a);
  auto* bench = app.add_subcommand("bench", "throughput of one part alone");
  bench->require_subcommand(1);
  auto* bench_loader = bench->add_subcommand("loader", "the loader, without a trainer");
  bench_options(*bench_loader, a);
  faults_option(*bench_loader, a);
  trace_option(*bench_loader, a);
  bench_loader->add_option("--epochs", a.epochs, "exactly so many epochs from the start, with their digest, in place of a window")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  auto* bench_step = bench->add_subcommand("step", "the trainer, on resident batches");
  bench_options(*bench_step, a);
  ranks_option(*bench_step, a);
  auto* compare = app.add_subcommand("compare", "the same spec by PyTorch's DataLoader, interleaved, in fresh processes (MILLRACE_PYTHON, else .venv)");
  bench_options(*compare, a);
  compare->add_option("--repeats", a.repeats, "runs of each (3)")->type_name("N")->check(CLI::Range(1, 1000));
  compare->add_option("--out", a.out, "folder of compare.md and compare.jsonl (default: none)")->type_name("DIR");
  auto* profile = app.add_subcommand("profile", "where a second goes and what would buy it back: six legs, a verdict, what-ifs");
  spec_options(*profile, a);
  ranks_option(*profile, a);
  double profile_seconds = 40;
  profile->add_option("--seconds", profile_seconds, "for all of it (40); less where the intervals are narrow earlier")->type_name("S")->check(duration());
  profile->add_flag("--json", a.json, "the last line of stdout is one JSON object");
  profile->add_option("--out", a.out, "folder for profile.md, profile.json and its picture (default: none)")->type_name("DIR");
  auto* tune = app.add_subcommand("tune", "how many workers and how deep a queue, for this machine, data and model");
  spec_options(*tune, a);
  ranks_option(*tune, a);
  double tune_seconds = 45;
  tune->add_option("--seconds", tune_seconds, "for all of it (45)")->type_name("S")->check(duration());
  tune->add_flag("--json", a.json, "the last line of stdout is one JSON object");
  auto* report = app.add_subcommand("report", "tables and plots of a folder, made again from its results.jsonl");
  report->add_option("folder", folder, "folder with results.jsonl")->type_name("DIR");
  report->add_option("--published", published, "published figures (TOML): what they say by themselves, and beside DIR where it is given")
      ->type_name("FILE");
  report->add_option("--out", a.out, "with --published alone: folder of its page and pictures (default: the page, on stdout)")->type_name("DIR");
  auto* data = app.add_subcommand("data", "data sets");
  data->require_subcommand(1);
  auto* list = data->add_subcommand("list", "known sets, where they are looked for and what is there");
  auto* check = data->add_subcommand("check", "read sets whole: known ones beside what was published, folders picture by picture");
  check->add_option("names", names, "known sets, folders of classes, or specs, whose sets are checked (default: the known sets that are there)")->type_name("NAME|PATH|SPEC");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : exit_code(ErrorKind::usage);
  }
  Reporter out;
  Context context{signals.token(), out, read_host(), command_line(argc, argv)};
  context.set_patience = [&signals](std::chrono::milliseconds patience) { signals.extend_patience(patience); };
  context.stop_signal = [&signals] { return signals.received(); };
  context.came_too_late = [&signals] { signals.came_too_late(); };
  context.launched = launched_for(static_cast<bool>(*train));
  check_counts(a, context.launched, processes);
  if (context.launched) {
    out.as_rank(context.launched->join.rank);
    keep_names_from_waiting(*context.launched);
  }
  if (*train && !context.launched) {
    const Spec spec = parse_spec(read_with_sets(a), context.host.cores, /*launched=*/processes > 0);  // What is wrong with it is said once.
    if (!processes && may_have_gpus(spec) && each_has_a_gpu(spec, train::load().gpus())) processes = spec.train.ranks;
    if (processes) return run_processes(processes, arguments_of_ranks(argc, argv), signals, out);
    if (const std::string unused = unused_tasks(environment_variable); !unused.empty()) out.warning(unused);
  }
  Forensics forensics([&](const std::string& text) { out.report(text); });
  const ReportOnSignal answer(signals, forensics);
  context.forensics = &forensics;
  TraceFile trace(a.trace, context.launched && context.launched->join.size > 1 ? context.launched->join.rank : -1, out);
  context.trace = trace.trace();
  if (context.trace) context.set_patience(std::chrono::seconds(25));  // Writing it may take some.
  if (*train) return train_command(a, context);
  if (*study) return study_command(a, context);
  if (*view) return view_command(a, context);
  if (*bench_loader) return bench_loader_command(a, context);
  if (*bench_step) return bench_step_command(a, context);
  if (*compare) return compare_command(a, context);
  if (*profile) {
    a.seconds = profile_seconds;
    return profile_command(a, context);
  }
  if (*tune) {
    a.seconds = tune_seconds;
    return tune_command(a, context);
  }
  if (*report) return report_command(folder, published, a.out, context);
  if (*list) return data_list_command(context);
  return *check ? data_check_command(names, context) : exit_code(ErrorKind::internal);
}

}  // namespace millrace
