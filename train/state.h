#pragma once
#include "train/api.h"
#include "train/net.h"
#include "train/optimizer.h"

namespace millrace::train {

struct SaveOptions {
  bool own_only = false;  ///< Buffers alone: the weights equal another rank's.
  bool among_ranks = false;
};

/// Copies a model's and an optimiser's state to the host: one copy a flat buffer, one a buffer of the model. Waits for the device.
void save_state(TrainerState& into, const Net& net, const FlatParameters& weights, const Optimizer& optimizer, const SaveOptions& options);

/// The other way. `from.own`, where there is one, replaces the model's buffers. Errors: as Trainer::load.
void load_state(const TrainerState& from, Net& net, FlatParameters& weights, Optimizer& optimizer);

}  // namespace millrace::train
