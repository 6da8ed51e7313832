#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "experiments/host.h"
#include "experiments/ranks.h"
#include "train/api.h"

namespace millrace {

/// What started this process as one of several ranks, and which one it is. Read from the variables that launchers set:
/// torchrun's (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT; also what `millrace train --processes` sets), Slurm's srun,
/// Open MPI's mpirun, and PMI (MPICH, Intel MPI).
struct Launched {
  std::string by;                ///< "torchrun", "srun", "mpirun", "--processes", or "RANK and WORLD_SIZE".
  train::JoinOptions join;
  int local_size = 1;            ///< Ranks on this host, where the launcher says it.
  std::string node;              ///< What the launcher calls this node; empty: it does not say.
  std::string alone;             ///< How to start a process that is no rank.
  /// "srun has started this process as rank 1 of 4"
  std::string said() const;
};

/// Looks one variable up: the environment, or a test's table. Empty: not set.
using Variables = std::function<std::string(const char*)>;
std::string environment_variable(const char* name);

/// Empty: this process is the only rank, whoever has started it. Errors: Error(usage), one line, for variables that are half set, out of range or not numbers.
std::optional<Launched> launched_as(const Variables& variables);

/// A warning where Slurm has given a job several tasks and this process was started without srun, as the only one of them; or nothing.
std::string unused_tasks(const Variables& variables);

/// Raises the limit on open files as far as it may be, where so many ranks need it. Errors: Error(communication) where it is too low:
/// what fails otherwise is some connection, in other words.
void require_open_files(int ranks);

/// The first host of a Slurm node list: "gpu[07-09,12],login" is gpu07.
std::string first_host(const std::string& node_list);

/// This process as one rank of the run: waits until all are there, asks where each runs (topology.h), and agrees with them on the
/// settings, the data and the versions.
/// The device `auto` is the GPU of the local rank (nccl) where there is one, else the CPU (gloo).
/// Errors: Error(usage) for settings that ask for other ranks; Error(communication), Error(device).
Ranks joined_ranks(const Launched& launched, const Spec& spec, const Source& source);

/// "rank 1: " where this process is one of several; otherwise empty. Never throws: it stands before errors.
std::string rank_prefix();

/// What one process of `--processes` came to.
struct RankEnd {
  int rank = 0;
  int status = 0;                ///< As waitpid gives it.
};

/// Whose end explains the others': a signal that we did not send, then an error of its own, then a lost connection; else by time.
/// `ends` in the order in which they were seen. Null: all ended well.
const RankEnd* first_cause(const std::vector<RankEnd>& ends);

}  // namespace millrace
