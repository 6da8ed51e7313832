#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/recipe.h"

namespace millrace::augment {

// The operations that a recipe can hold, one struct each, with the references' defaults. Text is parsed in experiments/;
// here parameters are typed. Angles in degrees, sizes in pixels, shares as fractions. Definitions: Pillow, torchvision and
// timm (see README.md).

enum class PadMode : std::uint8_t { constant, edge, reflect, symmetric };
using Range = std::array<double, 2>;
using Rgb = std::array<double, 3>;
inline constexpr Rgb kImagenetMean{0.485, 0.456, 0.406}, kImagenetStd{0.229, 0.224, 0.225};

/// Pillow <= 12 resizes horizontally first; Pillow 13 vertically first where that is cheaper (results differ by a level).
enum class PassOrder : std::uint8_t { horizontal_first, pillow13 };

/// torchvision RandomAffine. Absent parts draw nothing. `shear` empty: none; 1 value k: x in (-k, k); 2: x range; 4: x and y.
struct RandomAffine {
  Range degrees{0, 0};
  std::optional<std::array<double, 2>> translate; ///< Largest share of width, height.
  std::optional<Range> scale;
  std::vector<double> shear;
  Filter filter = Filter::nearest;
  std::array<std::uint8_t, 3> fill{};
};
/// torchvision RandomRotation.
struct RandomRotation { Range degrees{0, 0}; Filter filter = Filter::nearest; std::array<std::uint8_t, 3> fill{}; };
/// torchvision Resize: to `size`, or with `shorter` > 0 the shorter side to that, keeping the aspect. `fit` is timm's: with
/// cover and contain the aspect is kept, and `size` is the least or the most that the sides become.
struct Resize {
  enum class Fit : std::uint8_t { stretch, cover, contain };
  Size size;
  int shorter = 0;
  Filter filter = Filter::bilinear;
  bool antialias = true;
  Fit fit = Fit::stretch;
};
struct CenterCrop { Size size; std::array<std::uint8_t, 3> fill{}; };
/// torchvision RandomCrop with equal padding on all sides.
struct RandomCrop { Size size; int padding = 0; PadMode pad_mode = PadMode::constant; std::array<std::uint8_t, 3> fill{}; };
/// torchvision RandomResizedCrop; timm's with `random_filter` (bilinear or bicubic, 1/2 each).
struct RandomResizedCrop {
  Size size;
  Range scale{0.08, 1.0}, ratio{3.0 / 4.0, 4.0 / 3.0};
  Filter filter = Filter::bilinear;
  bool random_filter = false, antialias = true;
};
struct RandomHorizontalFlip { double p = 0.5; };
struct RandomVerticalFlip { double p = 0.5; };
/// timm's rand_augment_transform: `config` in timm's grammar ("rand-m9-mstd0.5-inc1").
struct TimmRandAugment {
  std::string config;
  Rgb mean = kImagenetMean;      ///< Fill of geometric operations: 255 * mean, rounded.
  Filter filter = Filter::bilinear;
  bool random_filter = false;
};
/// torchvision's three policies.
struct RandAugment { int num_ops = 2, magnitude = 9, bins = 31; Filter filter = Filter::nearest; std::array<std::uint8_t, 3> fill{}; };
struct TrivialAugmentWide { int bins = 31; Filter filter = Filter::nearest; std::array<std::uint8_t, 3> fill{}; };
struct AutoAugment { enum class Policy { imagenet, cifar10, svhn } policy = Policy::imagenet; Filter filter = Filter::nearest; std::array<std::uint8_t, 3> fill{}; };
/// torchvision ColorJitter; each a range, absent where empty.
struct ColorJitter { std::optional<Range> brightness, contrast, saturation, hue; };
struct RandomGrayscale { double p = 0.1; };
/// Of normalised values, as timm (`timm` = true) or torchvision draws it.
struct RandomErasing {
  enum class Value { constant, per_channel, per_pixel };
  double p = 0.5;
  Range area{0.02, 1.0 / 3.0}, aspect{0.3, 1.0 / 0.3};
  Value value = Value::constant;
  int max_count = 1;
  bool timm = true;
};
/// ((float)v / 255 - mean) / std in float32. One value serves all channels of a grey picture.
struct Normalize { std::vector<double> mean, std; };

using Operation = std::variant<RandomAffine, RandomRotation, Resize, CenterCrop, RandomCrop, RandomResizedCrop, RandomHorizontalFlip,
                               RandomVerticalFlip, TimmRandAugment, RandAugment, TrivialAugmentWide, AutoAugment, ColorJitter,
                               RandomGrayscale, RandomErasing, Normalize>;

struct RecipeOptions {
  int channels = 3;                ///< Of the pictures: 1 or 3.
  Size input;                      ///< Of every picture, where all are alike; 0 x 0: pictures vary, the list must fix a size.
  Dtype dtype = Dtype::f32;        ///< u8 refuses Normalize, and leaves RandomErasing undone (Recipe::erasures): the device does those.
  Layout layout = Layout::nchw;
  PassOrder pass_order = PassOrder::horizontal_first;
};

/// Compiles a list of operations, in order. Without Normalize, f32 rows hold v / 255.
/// Errors: Error(usage) that names the operation and what does not fit.
std::unique_ptr<Recipe> compile(std::vector<Operation> operations, const RecipeOptions& options);

/// What a user should know of a list that compiles: tokens of RandAugment strings that are ignored, as timm ignores them.
std::vector<std::string> warnings(const std::vector<Operation>& operations);

}  // namespace millrace::augment
