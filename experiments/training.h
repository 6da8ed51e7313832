#pragma once
#include <functional>
#include <stop_token>
#include <string>

#include "experiments/assemble.h"
#include "experiments/host.h"
#include "experiments/json.h"
#include "experiments/terminal.h"

namespace millrace {

/// What every command has at hand. Owned by main.
struct Context {
  std::stop_token stop;
  Reporter& out;
  Host host;
  std::string command;  ///< As typed, for provenance.
};

/// Provenance of one run: the first line of its records.
Json run_record(const Spec& spec, const Context& context, const std::string& run, const std::string& cache_state);

/// One training run: sources, recipe, trainer and loader are made, epochs run, `on_epoch` gets each epoch's record.
/// Bad samples are listed in folder/faults.jsonl. Returns true when all epochs are done, false after a stop.
/// Threads: the caller becomes the trainer. Errors: those of what it assembles.
bool run_training(const Spec& spec, SourceShelf& sources, const Context& context, const std::string& run, const std::string& folder,
                  const std::function<void(const Json&)>& on_epoch);

/// The phases' names and values, in the order of a step.
Json to_json(const train::Phases& phases);

}  // namespace millrace
