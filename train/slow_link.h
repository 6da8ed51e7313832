#pragma once
#include <memory>

#include "train/collective.h"

namespace millrace::train {

/// The same ranks over a slower link, made on purpose: a sum takes at least as long as a ring needs to send 2 (W - 1) / W of its bytes at
/// `mbit` a second. For constructed cases in tests and profiles.
/// Threads and errors: as of `ranks`.
std::shared_ptr<Collective> make_slow_link(std::shared_ptr<Collective> ranks, double mbit);

}  // namespace millrace::train
