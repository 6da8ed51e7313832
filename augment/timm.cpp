#include "augment/timm.h"

#include <algorithm>
#include <cmath>

#include "pipeline/error.h"

namespace millrace::augment {
namespace {

void add_normalize(std::vector<Operation>& list, const Rgb& mean, const Rgb& std) {
  list.push_back(Normalize{{mean.begin(), mean.end()}, {std.begin(), std.end()}});
}

ColorJitter jitter_of(const std::vector<double>& v) {
  if (v.size() != 1 && v.size() != 3 && v.size() != 4) throw Error(ErrorKind::usage, "timm-train: color_jitter takes 1, 3 or 4 values");
  const auto around_one = [](double s) { return Range{std::max(0.0, 1 - s), 1 + s}; };
  const auto at = [&](std::size_t i) { return v.size() == 1 ? v[0] : v[i]; };
  ColorJitter jitter{.brightness = around_one(at(0)), .contrast = around_one(at(1)), .saturation = around_one(at(2))};
  if (v.size() == 4) jitter.hue = Range{-v[3], v[3]};
  return jitter;
}

}  // namespace

std::array<std::uint8_t, 3> timm_fill(const Rgb& mean) {
  std::array<std::uint8_t, 3> fill;
  for (std::size_t c = 0; c < 3; ++c) fill[c] = static_cast<std::uint8_t>(std::clamp(std::nearbyint(255 * mean[c]), 0.0, 255.0));
  return fill;
}

std::vector<Operation> timm_train(const TimmTrainOptions& o) {
  std::vector<Operation> list;
  if (o.small_images)
    list.push_back(RandomCrop{.size = o.size, .padding = 4});
  else
    list.push_back(RandomResizedCrop{.size = o.size,
                                     .scale = o.scale,
                                     .ratio = o.ratio,
                                     .filter = o.filter,
                                     .random_filter = o.random_filter,
                                     .antialias = o.antialias});
  if (o.hflip > 0) list.push_back(RandomHorizontalFlip{o.hflip});
  if (o.vflip > 0) list.push_back(RandomVerticalFlip{o.vflip});
  bool jitter = !o.color_jitter.empty();
  if (!o.auto_augment.empty()) {
    if (o.auto_augment.rfind("rand", 0) != 0)
      throw Error(ErrorKind::usage, "timm-train: auto_augment '" + o.auto_augment + "' does not begin with 'rand'",
                  "of timm's policies Millrace has RandAugment");
    list.push_back(TimmRandAugment{.config = o.auto_augment, .mean = o.mean, .filter = o.filter, .random_filter = o.random_filter});
    jitter = jitter && (o.force_color_jitter || o.auto_augment.find("3a") != std::string::npos);
  }
  if (jitter) list.push_back(jitter_of(o.color_jitter));
  if (o.grayscale_prob > 0) list.push_back(RandomGrayscale{o.grayscale_prob});
  if (o.normalize) add_normalize(list, o.mean, o.std);
  if (o.re_prob > 0) list.push_back(RandomErasing{.p = o.re_prob, .value = o.re_mode, .max_count = o.re_count, .timm = true});
  return list;
}

std::vector<Operation> timm_eval(const TimmEvalOptions& o) {
  std::vector<Operation> list;
  if (!(o.crop_pct > 0 && o.crop_pct <= 1)) throw Error(ErrorKind::usage, "timm-eval: crop_pct must be within 0 .. 1");
  if (!o.small_images) {
    const Size scaled{static_cast<int>(std::floor(o.size.width / o.crop_pct)), static_cast<int>(std::floor(o.size.height / o.crop_pct))};
    Resize resize{.size = scaled, .filter = o.filter};
    CenterCrop crop{.size = o.size};
    switch (o.crop_mode) {
      case TimmCropMode::center:
        if (scaled.width == scaled.height)
          resize.shorter = scaled.width;
        else
          resize.fit = Resize::Fit::cover;
        break;
      case TimmCropMode::squash:
        break;
      case TimmCropMode::border:
        resize.fit = Resize::Fit::contain;
        crop.fill = timm_fill(o.mean);
        break;
    }
    list.push_back(resize);
    list.push_back(crop);
  }
  if (o.normalize) add_normalize(list, o.mean, o.std);
  return list;
}

std::vector<Operation> torchvision_eval(const TorchvisionEvalOptions& o) {
  std::vector<Operation> list{Resize{.shorter = o.resize, .filter = o.filter}, CenterCrop{.size = {o.size, o.size}}};
  if (o.normalize) add_normalize(list, o.mean, o.std);
  return list;
}

}  // namespace millrace::augment
