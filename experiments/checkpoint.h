#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/durable.h"
#include "experiments/json.h"
#include "train/api.h"

namespace millrace {

// A checkpoint is a folder step-000001234, the state after that many steps of the run:
//   weights.safetensors     parameters and buffers, under torch's names: Python loads them into the same model
//   optimizer.safetensors   what the optimiser remembers, and its count of updates
//   ranks.safetensors       only of several ranks: what each has of its own, "rank.N." before its name
//   state.json              the rest (checkpoint_state.h), one line
//   sums.xxh128             XXH3-128 of the four, in fixed order; `xxh128sum -c sums.xxh128` checks them
// It is written under another name (beginning with '.'), brought to the disk file by file, and renamed. What bears its name is
// whole, unless bytes changed later: then the sums say so.

/// What is written. Views must stay until it is.
struct CheckpointContents {
  std::uint64_t step = 0;
  Json state;
  const train::TrainerState* tensors = nullptr;
  std::vector<train::TensorView> ranks;
};

/// What ranks hold of their own as bytes to send, and all ranks' as tensors to write; these point into `by_rank`.
std::string own_as_bytes(const train::TrainerState& state);
std::vector<train::TensorView> tensors_of_ranks(const std::vector<std::string>& by_rank);

/// What was read.
struct Checkpoint {
  std::string path;
  Json state;
  train::TrainerState tensors;            ///< `own` is empty: `own_of` a rank.
  std::vector<train::TensorView> ranks;
  std::vector<train::TensorView> own_of(int rank) const;
};

/// Writes `contents` into `parent`, which is made where it is missing. A checkpoint of the same step is replaced.
/// Returns its path. Errors: Error(data), as Durable; nothing of it is left then, where the disk allows.
std::string write_checkpoint(const std::string& parent, const CheckpointContents& contents, const Durable& durable);

/// Reads and verifies one. Errors: Error(data), "path/file: cause".
Checkpoint read_checkpoint(const std::string& path);

/// The checkpoints in a folder by their names, newest first; empty where there is no such folder.
struct CheckpointName {
  std::uint64_t step = 0;
  std::string path;
};
std::vector<CheckpointName> checkpoints_in(const std::string& parent);

/// Removes all but the `keep` newest of those up to `step`, and what dead processes left unfinished. Checkpoints beyond `step`
/// are of an earlier attempt and stay until they are replaced.
void thin_out(const std::string& parent, std::uint64_t step, int keep, const Durable& durable);

/// The newest whole checkpoint, and why each newer one was passed over. Errors: none; unreadable ones are passed over.
struct NewestCheckpoint {
  std::optional<Checkpoint> found;
  std::vector<std::string> passed_over;
};
NewestCheckpoint newest_checkpoint(const std::string& parent);

}  // namespace millrace
