#pragma once
#include <string>
#include <vector>

#include "augment/ops.h"

namespace millrace::augment {

/// timm's create_transform for training, by its parameter names; defaults are those of its training script with RandAugment.
/// Source: timm 1.0.31, transforms_factory.py.
struct TimmTrainOptions {
  Size size{224, 224};
  Range scale{0.08, 1.0}, ratio{3.0 / 4.0, 4.0 / 3.0};
  double hflip = 0.5, vflip = 0;
  std::string auto_augment = "rand-m9-mstd0.5-inc1";  ///< Empty: none.
  Filter filter = Filter::bicubic;
  bool random_filter = false;  ///< timm's interpolation = "random": bilinear or bicubic, 1/2 each.
  bool antialias = true;
  std::vector<double> color_jitter{0.4};  ///< 1 value for brightness, contrast and saturation; 3; or 4 with hue. Empty: none.
  bool force_color_jitter = false;        ///< Jitter is left out beside RandAugment unless forced, or the string holds "3a".
  double grayscale_prob = 0;
  Rgb mean = kImagenetMean, std = kImagenetStd;
  double re_prob = 0;
  RandomErasing::Value re_mode = RandomErasing::Value::constant;
  int re_count = 1;
  bool small_images = false;  ///< The rule of DeiT, Swin and ConvNeXt for 32 x 32: RandomCrop(size, padding 4).
  bool normalize = true;      ///< False for u8 rows: the device does it.
};
/// Errors: Error(usage).
std::vector<Operation> timm_train(const TimmTrainOptions& options);

enum class TimmCropMode : std::uint8_t { center, squash, border };

/// timm's create_transform for evaluation.
struct TimmEvalOptions {
  Size size{224, 224};
  double crop_pct = 0.875;
  TimmCropMode crop_mode = TimmCropMode::center;
  Filter filter = Filter::bicubic;
  Rgb mean = kImagenetMean, std = kImagenetStd;
  bool small_images = false;  ///< Neither resized nor cropped.
  bool normalize = true;
};
/// Errors: Error(usage).
std::vector<Operation> timm_eval(const TimmEvalOptions& options);

/// torchvision's reference evaluation: shorter side to `resize`, centre crop, normalise.
struct TorchvisionEvalOptions {
  int size = 224, resize = 256;
  Filter filter = Filter::bilinear;
  Rgb mean = kImagenetMean, std = kImagenetStd;
  bool normalize = true;
};
std::vector<Operation> torchvision_eval(const TorchvisionEvalOptions& options);

/// What timm fills geometric operations and borders with: min(255, round(255 * mean)), halves to even.
std::array<std::uint8_t, 3> timm_fill(const Rgb& mean);

}  // namespace millrace::augment
