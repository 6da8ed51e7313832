#pragma once
#include <functional>
#include <memory>

#include "train/collective.h"
#include "train/lifeline.h"

namespace millrace::train {

/// Ranks in processes: all have met when it returns. Errors: Error(communication).
std::shared_ptr<Collective> join_gloo(const JoinOptions& options);
/// The same ranks, with a GPU each; `words`, by gloo, carries what they say. In nccl_collective.cpp, or nccl_none.cpp where the build has no GPU code.
/// Errors: Error(communication), Error(device).
std::shared_ptr<Collective> join_nccl(std::shared_ptr<Collective> words, const JoinOptions& options);

/// Collective::check, as far as a lifeline knows. Errors: its verdict.
void check_wait(Lifeline& lifeline, double waited_seconds, double timeout_seconds);

/// The lifeline of a collective made by join_gloo: nccl's words travel by gloo, and it has to know of failures.
Lifeline& lifeline_of(Collective& gloo);

}  // namespace millrace::train
