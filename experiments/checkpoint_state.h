#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/json.h"
#include "experiments/spec.h"
#include "pipeline/source.h"
#include "train/api.h"

namespace millrace {

/// An epoch's result so far, over the parts in which it is trained: between checkpoints, and before and after a resume.
/// What comes out is what one unbroken part would have given; times are those of the parts that count.
class EpochSums {
 public:
  void add(const train::EpochResult& part);
  const train::EpochResult& result() const { return result_; }
  std::uint64_t steps() const { return result_.steps; }
  double checkpoint_seconds = 0;        ///< For which the trainer was held up.
  std::uint64_t resumed_after = 0;      ///< Steps of this epoch that were taken before the last resume.

  Json to_json() const;
  static EpochSums from_json(const Json& json, std::uint32_t epoch);  ///< Errors: Json's.

 private:
  train::EpochResult result_;
};

/// state.json of a checkpoint: everything but tensors.
struct CheckpointState {
  std::string run;
  Json spec;                     ///< to_json of the settings.
  std::string spec_digest;
  std::uint64_t loader_seed = 0;
  std::uint32_t epoch = 0;       ///< From 0, of `sums`, or of the next batch where they are empty.
  std::uint64_t position = 0;    ///< Number of the next global batch, from the run's beginning: LoaderOptions::first_batch.
  std::uint64_t samples = 0;     ///< Of the data set.
  std::string fingerprint;       ///< Of the data set; empty: of an earlier version, which did not say.
  std::vector<std::string> classes;  ///< Names in the order of the labels (class_names); empty likewise.
  std::uint64_t batch = 0;       ///< Global.
  int world_size = 1;
  std::uint32_t reached = 0;     ///< Evaluations in a row, up to that of `sums`, with train.target_accuracy.
  std::string device;            ///< Of rank 0.
  Json versions;
  EpochSums sums;                ///< Complete: the epoch is trained, but not evaluated and on record.
};
Json to_json(const CheckpointState& state);
/// Errors: Error(data) "place: cause" for what is missing or of another type.
CheckpointState checkpoint_state(const Json& json, const std::string& place);

/// What `theirs` and `mine` disagree in: "class 1 is 'dog' there, 'bird' here". Empty: nothing, or either is unknown.
std::string difference_of_classes(const std::vector<std::string>& theirs, const std::vector<std::string>& mine);

/// Where train.weights is a file of a Millrace checkpoint and its classifier is taken over: whether it was trained on these classes.
/// Errors: Error(usage) that names the class that differs.
void check_weights(const Spec& spec, const SourceInfo& source);

/// Whether a run of `spec` on the data of `source` may go on from a checkpoint. Settings that decide neither batches nor weights may differ (workers, ranks,
/// threads, length, evaluation, checkpoints, paths). Returns what differs of these ("loader.workers 4 (was 1)").
/// Errors: Error(usage) that names the first setting that may not, both values.
std::vector<std::string> check_same_run(const CheckpointState& state, const Spec& spec, const Source& source, std::uint64_t batch,
                                        const std::string& place);

}  // namespace millrace
