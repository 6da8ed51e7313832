#pragma once
#include <functional>
#include <memory>

#include "train/collective.h"
#include "train/lifeline.h"

namespace millrace::train {

/// Ranks in processes with a GPU each, or none: all have met when it returns. Errors: Error(communication), Error(device).
std::shared_ptr<Collective> join_gloo(const JoinOptions& options);
/// In nccl_collective.cpp, or nccl_none.cpp where the build has no GPU code.
std::shared_ptr<Collective> join_nccl(const JoinOptions& options);

/// The lifeline of a collective made by join_gloo: nccl's words travel by gloo, and it has to know of failures.
Lifeline& lifeline_of(Collective& gloo);

}  // namespace millrace::train
