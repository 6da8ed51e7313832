#pragma once
#include <vector>

#include "train/api.h"

// What a trainer holds, as plain numbers: for tests and for comparing with other frameworks. Linked, not loaded.
namespace millrace::train {

/// All weights, tensor after tensor in torch's order of parameters(); empty for the sleep model.
/// Errors: Error(internal) for a trainer that was not made by this library.
std::vector<float> weights_of(const Trainer& trainer);

/// The model's float buffers (running statistics), in torch's order of buffers().
std::vector<float> buffers_of(const Trainer& trainer);

/// Gradients of the loss summed over the rows of `batch`, in the same order. Changes no weights.
std::vector<float> gradients_of(Trainer& trainer, Batch batch);

/// The model's outputs, rows x classes, in evaluation mode.
std::vector<float> outputs_of(Trainer& trainer, Batch batch);

}  // namespace millrace::train
