#pragma once
#include <optional>
#include <string>
#include <vector>

#include "experiments/checkpoint_state.h"
#include "experiments/checkpointer.h"
#include "experiments/training.h"

namespace millrace {

/// The checkpoint that a run goes on from.
struct Resume {
  Checkpoint checkpoint;
  CheckpointState state;
  std::vector<std::string> passed_over;  ///< Newer ones, and what is wrong with each.
  std::vector<std::string> changed;      ///< Settings that differ from the checkpoint's, and may.
};

/// Where the checkpoints of a run in this folder lie.
std::string checkpoint_folder(const std::string& out);

/// `wanted`: "auto" for the newest whole checkpoint of `out` (nothing where there is none yet), or a checkpoint's path, or a folder
/// of checkpoints or run that holds them. Errors: Error(data) where one is named and cannot be read, or none of several.
std::optional<Resume> find_resume(const std::string& wanted, const std::string& out);

/// Errors: Error(usage) where `spec` is not the run that the checkpoint is of; otherwise the settings that differ and may.
std::vector<std::string> check_resume(const Resume& resume, const Spec& spec, const Source& source, const RankShape& ranks = {});

/// Errors: Error(usage) where a run would begin anew among the checkpoints of another.
void check_fresh(const Spec& spec, const std::string& out);

/// The line of results.jsonl that says from where a run went on.
Json resume_record(const Resume& resume, const Context& context);

/// Takes a run's checkpoints when they are due: what all ranks agree on from rank 0, what each has of its own from each. Does nothing
/// where the spec asks for none or there is no folder.
/// Threads: the caller of the crew's; all processes of a run make the same calls. Errors: those of Checkpointer, and of the crew.
class RunCheckpoints {
 public:
  RunCheckpoints(const Spec& spec, const std::string& folder, const std::string& run, const Source& source, Crew& crew,
                 std::uint64_t steps_an_epoch, Reporter& out);
  void has(std::uint64_t position) { taken_ = position; }  ///< The one resumed from.
  void reached(std::uint32_t evaluations) { state_.reached = evaluations; }  ///< In a row, with the target accuracy, so far.
  /// Steps from `position` to the next checkpoint amid an epoch: where gradients are accumulated, a whole number of updates.
  std::uint64_t steps_to_next(std::uint64_t position) const;
  /// Whether one is due at the end of an epoch (from 0).
  bool due_after(std::uint64_t epoch, std::uint64_t position, bool last) const;
  /// Unless this position has one, or its weights are past saving: they would push out the last good ones. What the trainers are held up for is added to `sums`.
  void take(std::uint64_t position, std::uint64_t epoch, EpochSums& sums);
  double write_seconds() { return writer_ ? writer_->write_seconds() : 0; }  ///< Since the last call.
  void finish() {
    if (writer_) writer_->finish();
  }

 private:
  std::vector<std::string> gather_own();

  const std::uint64_t every_steps_, every_epochs_, steps_an_epoch_, accumulate_;
  const bool wanted_;
  Crew& crew_;
  Reporter& out_;
  bool told_ = false;                     ///< Of weights that are not kept.
  std::vector<train::TrainerState> own_;  ///< By local rank.
  CheckpointState state_;
  std::optional<std::uint64_t> taken_;
  std::optional<Checkpointer> writer_;    ///< Where rank 0 is.
};

}  // namespace millrace
