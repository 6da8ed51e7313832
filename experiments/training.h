#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "experiments/assemble.h"
#include "experiments/forensics.h"
#include "experiments/host.h"
#include "experiments/json.h"
#include "experiments/launch.h"
#include "experiments/ranks.h"
#include "experiments/terminal.h"

namespace millrace {

/// What every command has at hand. Owned by main.
struct Context {
  std::stop_token stop;
  Reporter& out;
  Host host;
  std::string command;  ///< As typed, for provenance.
  std::optional<Launched> launched = {};  ///< This process is one of several ranks.
  bool leads() const { return !launched || launched->join.rank == 0; }  ///< Who prints and writes records.
  Forensics* forensics = nullptr;  ///< Whom to ask where everything is.
  Trace* trace = nullptr;          ///< Where what happens is traced; null: nowhere.
  std::function<void(std::chrono::milliseconds)> set_patience = {};  ///< Of a stop: how long it may take from now on. May be empty.
  std::function<int()> stop_signal = {};  ///< Which signal has asked this process to stop; 0: none. May be empty.
  std::function<void()> came_too_late = {};  ///< Says that a stop, if there was one, changed nothing. May be empty.
};

/// JSON has no infinities: null stands for what is not finite.
Json finite(double value);

/// Whether a run ends in scores at all: toys that sleep have none, and evaluate_every = 0 asks for none.
bool evaluates(const Spec& spec);

/// What is known before the first batch. Errors: Error(usage) at the batch's place in the spec where the set has fewer samples;
/// Error(data) where opening the set found files that cannot be read, and bad samples end the run.
void check_batch(const Spec& spec, const Source& source, const RankShape& ranks = {});

/// Steps of a whole run, and of an epoch. Errors: as check_batch.
std::uint64_t steps_of(const Spec& spec, const Source& source, const RankShape& ranks = {});
std::uint64_t epoch_steps_of(const Spec& spec, const Source& source, const RankShape& ranks = {});

/// Opens what a run will read, so that what is missing or broken shows before LibTorch is loaded and a record is begun.
void open_sources(const Spec& spec, SourceShelf& sources);

/// Names one run of these settings: another each time, also within a second.
std::string new_run_id(const Spec& spec);

/// What a run reads, with the classes' names: the key "data" of its provenance. Errors: as open_sources.
Json data_record(const Spec& spec, SourceShelf& sources);

/// Provenance of one run: the first line of its records.
Json run_record(const Spec& spec, const Context& context, const std::string& run, const std::string& cache_state);

/// The settings of the trainer on one of these ranks (local rank `local`), or of the only one.
train::TrainOptions rank_options(const Spec& spec, const Source& source, const RowFormat& input, const Ranks& ranks, std::size_t local,
                                 const Host& host);

struct Resume;

/// One training run, as far as it happens in this process: sources, recipe and loader are made, a trainer for each of `ranks`, epochs
/// run, `on_epoch` gets each epoch's record (of all ranks; where rank 0 is). Bad samples are listed in folder/faults.jsonl; checkpoints
/// go to `checkpoints`/checkpoints, unless that is empty. With `resume` the run goes on from there: the same batches and, on the same
/// ranks, weights to the bit as if it had not been broken off. Returns true when all epochs and the
/// evaluations due are done, false after a stop.
/// Threads: the caller becomes the trainer of an only rank, and waits for several. Errors: those of what it assembles.
bool run_training(const Spec& spec, SourceShelf& sources, const Context& context, const std::string& run, const std::string& folder,
                  const std::function<void(const Json&)>& on_epoch, const Ranks& ranks = {}, const std::string& checkpoints = {},
                  const Resume* resume = nullptr);

/// The phases' names and values, in the order of a step.
Json to_json(const train::Phases& phases);

}  // namespace millrace
