#include "augment/draws.h"

#include <cmath>

namespace millrace::augment {
namespace {

int rounded(double v) { return static_cast<int>(std::nearbyint(v)); }

}  // namespace

TorchvisionAffine draw_affine(const RandomAffine& op, Size picture, RandomSource& random) {
  TorchvisionAffine p;
  p.angle = random.uniform(op.degrees[0], op.degrees[1]);
  if (op.translate) {
    const double limit_x = (*op.translate)[0] * picture.width, limit_y = (*op.translate)[1] * picture.height;
    p.translate_x = std::nearbyint(random.uniform(-limit_x, limit_x));
    p.translate_y = std::nearbyint(random.uniform(-limit_y, limit_y));
  }
  if (op.scale) p.scale = random.uniform((*op.scale)[0], (*op.scale)[1]);
  switch (op.shear.size()) {
    case 1:
      p.shear_x = random.uniform(-op.shear[0], op.shear[0]);
      break;
    case 2:
      p.shear_x = random.uniform(op.shear[0], op.shear[1]);
      break;
    case 4:
      p.shear_x = random.uniform(op.shear[0], op.shear[1]);
      p.shear_y = random.uniform(op.shear[2], op.shear[3]);
      break;
    default:
      break;
  }
  return p;
}

Roi draw_crop(Size picture, int padding, Size size, RandomSource& random) {
  const Size padded{picture.width + 2 * padding, picture.height + 2 * padding};
  if (padded == size) return {-padding, -padding, size.width, size.height};  // No draw, as torchvision.
  const int top = static_cast<int>(random.below(static_cast<std::uint64_t>(padded.height - size.height + 1)));
  const int left = static_cast<int>(random.below(static_cast<std::uint64_t>(padded.width - size.width + 1)));
  return {left - padding, top - padding, size.width, size.height};
}

ResizedCropBox draw_resized_crop(const Range& scale, const Range& ratio, Size picture, RandomSource& random) {
  const int width = picture.width, height = picture.height;
  const double log_low = std::log(ratio[0]), log_high = std::log(ratio[1]);
  for (int attempt = 1; attempt <= 10; ++attempt) {
    const double area = random.uniform(scale[0], scale[1]) * width * height;
    const double r = std::exp(random.uniform(log_low, log_high));
    const double w = std::nearbyint(std::sqrt(area * r)), h = std::nearbyint(std::sqrt(area / r));
    if (!(w > 0 && w <= width && h > 0 && h <= height)) continue;
    const int iw = static_cast<int>(w), ih = static_cast<int>(h);
    const int top = static_cast<int>(random.below(static_cast<std::uint64_t>(height - ih + 1)));
    const int left = static_cast<int>(random.below(static_cast<std::uint64_t>(width - iw + 1)));
    return {{left, top, iw, ih}, false, attempt};
  }
  const double q = static_cast<double>(width) / height;
  int w = width, h = height;
  if (q < ratio[0])
    h = rounded(width / ratio[0]);
  else if (q > ratio[1])
    w = rounded(height * ratio[1]);
  return {{(width - w) / 2, (height - h) / 2, w, h}, true, 10};
}

Roi draw_erase_box(const Range& area, const Range& aspect, int count, Size picture, RandomSource& random) {
  const double log_low = std::log(aspect[0]), log_high = std::log(aspect[1]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = random.uniform(area[0], area[1]) * picture.height * picture.width / count;
    const double a = std::exp(random.uniform(log_low, log_high));
    const double h = std::nearbyint(std::sqrt(target * a)), w = std::nearbyint(std::sqrt(target / a));
    if (!(w < picture.width && h < picture.height)) continue;
    const int iw = static_cast<int>(w), ih = static_cast<int>(h);
    const int top = static_cast<int>(random.below(static_cast<std::uint64_t>(picture.height - ih + 1)));
    const int left = static_cast<int>(random.below(static_cast<std::uint64_t>(picture.width - iw + 1)));
    return {left, top, iw, ih};
  }
  return {};
}

}  // namespace millrace::augment
