#pragma once
#include <string>

#include "train/torch_headers.h"

namespace millrace::train {

/// Fills `net` with the tensors of a safetensors file, by the names that torch's state_dict() gives them (those of timm and
/// torchvision where the model is theirs); 16-bit and double values are converted. Every parameter and running statistic must be
/// there in its shape, but for counters of batches, and with `fresh_head` the classifier, which keeps its drawn weights.
/// Errors:  Error(data) with the file, the tensor, and both shapes; Error(usage) for tensors that the model does not know.
void load_weights(torch::nn::Module& net, const std::string& path, bool fresh_head);

}  // namespace millrace::train
