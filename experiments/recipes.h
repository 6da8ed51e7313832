#pragma once
#include <string>
#include <variant>
#include <vector>

#include "augment/ops.h"
#include "augment/timm.h"
#include "experiments/keys.h"

namespace millrace {

/// timm's training recipe, and the crop of the evaluation that belongs to it.
struct TimmTrainRecipe {
  augment::TimmTrainOptions options;
  double crop_pct = 0.875;
};

/// torchvision's reference training preset (references/classification/presets.py, torchvision 0.26).
struct TorchvisionTrainRecipe {
  enum class Policy { none, ra, ta_wide, imagenet, cifar10, svhn };
  int size = 224;
  augment::Range scale{0.08, 1.0}, ratio{3.0 / 4.0, 4.0 / 3.0};
  Filter filter = Filter::bilinear;
  bool antialias = true;
  double hflip = 0.5;
  Policy auto_augment = Policy::none;
  int ra_magnitude = 9;
  double re_prob = 0;
  augment::Rgb mean = augment::kImagenetMean, std = augment::kImagenetStd;
};

/// What one [[augment]] says: an operation, or a recipe that stands for a list of them.
using Step =
    std::variant<augment::Operation, TimmTrainRecipe, augment::TimmEvalOptions, TorchvisionTrainRecipe, augment::TorchvisionEvalOptions>;

/// The recipes that `recipe = "..."` takes.
const std::vector<std::string>& recipe_names();
/// A recipe with its defaults. The name is one of recipe_names().
Step make_recipe_step(const std::string& name);
/// Reads or writes the options of an operation or a recipe, under the references' names.
void visit(Keys& keys, Step& step);

/// The operations of a step. For evaluation: of an operation, itself unless it draws; of a training recipe, the evaluation
/// recipe of the same size. Errors: Error(usage).
std::vector<augment::Operation> operations_of(const Step& step, bool evaluation);

}  // namespace millrace
