#pragma once
#include <optional>
#include <string>
#include <vector>

#include "experiments/training.h"

namespace millrace {

/// What stands on the command line, parsed; one struct for the commands that take a spec.
struct SpecArguments {
  std::string spec, out;
  std::vector<std::string> sets;  ///< "key=value"
  std::string trace;              ///< train, bench loader: where to, or empty.
  bool tensorboard = false;       ///< train, study.
  std::string resume;             ///< train: "auto", a checkpoint's path, or empty.
  std::vector<std::string> only;  ///< study: "axis=value"
  int ranks = 0;                  ///< train, study, bench step: as train.ranks; 0: as the spec says.
  double seconds = 3;             ///< bench
  std::uint64_t epochs = 0;       ///< bench loader: 0 unless given.
  bool json = false;              ///< bench, compare
  int repeats = 3;                ///< compare
  int samples = 6, versions = 5;  ///< view: rows, and augmented pictures a row.
  std::vector<std::string> bad;   ///< view: files to show beside the set's.
};

// One function a command. Returns the exit status; throws Error for what ends it otherwise.
int train_command(const SpecArguments& arguments, const Context& context);
int study_command(const SpecArguments& arguments, const Context& context);
int view_command(const SpecArguments& arguments, const Context& context);
int bench_loader_command(const SpecArguments& arguments, const Context& context);
int bench_step_command(const SpecArguments& arguments, const Context& context);
int compare_command(const SpecArguments& arguments, const Context& context);
int profile_command(const SpecArguments& arguments, const Context& context);
int tune_command(const SpecArguments& arguments, const Context& context);
/// `published` empty: what the study's record holds. `folder` empty: the published table by itself, as Markdown on stdout, or with
/// its pictures in `out`.
int report_command(const std::string& folder, const std::string& published, const std::string& out, const Context& context);
int data_list_command(const Context& context);
int data_check_command(const std::vector<std::string>& names, const Context& context);

/// Reads the spec and applies --set. Errors: Error(usage).
Document read_with_sets(const SpecArguments& arguments);
/// The same, parsed, its warnings printed.
Spec read_spec(const SpecArguments& arguments, const Context& context);
/// "key=value" taken apart at the first "=". Errors: Error(usage).
std::pair<std::string, Json> split_assignment(const std::string& text, const char* option);
/// --out, or out/<name of the spec>.
std::string out_folder(const SpecArguments& arguments);

}  // namespace millrace
