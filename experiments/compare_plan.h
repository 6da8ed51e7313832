#pragma once
#include <string>
#include <vector>

#include "experiments/json.h"
#include "experiments/spec.h"
#include "pipeline/source.h"

namespace millrace {

/// What PyTorch's DataLoader is asked to do for a spec: the plan that compare_dataloader.py reads, but for where its samples lie.
/// Errors: Error(usage) that names what the spec wants and torchvision on PIL pictures, or timm, has no word for.
Json dataloader_plan(const Spec& spec, const SourceInfo& source);

/// Recipes worth comparing with: `usual`, and `batched` where whole batches can be gathered from one tensor (raw pictures, nothing but
/// normalisation).
std::vector<std::string> dataloader_recipes(const Spec& spec, const SourceInfo& source);

/// Hands over the samples: the paths of encoded ones (below `root`), in the plan itself; raw ones in two files in `folder`. Either way both
/// sides load the same. Errors: Error(data).
void give_samples(const Source& source, const std::string& root, const std::string& folder, Json& plan);

/// Seconds for `images` where a loader and a trainer work at the same time on so many cores, or in turn (without workers).
struct Side {
  double images_per_second = 0, cpu_seconds_per_image = 0;
};
double training_seconds(double images, const Side& loader, const Side& step, int workers, int cores);

}  // namespace millrace
