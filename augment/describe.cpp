#include "augment/describe.h"

#include <cmath>
#include <cstdio>
#include <numbers>

#include "augment/drawn.h"

namespace millrace::augment {
namespace {

const char* name_of(Filter f) {
  constexpr const char* names[] = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
  return names[static_cast<int>(f)];
}

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string frame_text(const Framing& f) {
  std::string text;
  const bool resized = !(f.target == f.roi.size());
  text += format("crop %dx%d%+d%+d", f.roi.width, f.roi.height, f.roi.left, f.roi.top);
  if (resized) text += format(" to %dx%d %s", f.target.width, f.target.height, name_of(f.filter));
  if (f.flip_horizontal) text += ", flip";
  if (f.flip_vertical) text += ", vertical flip";
  return text;
}

// Pixels right and down, as torchvision counts them; what was not drawn is not said.
std::string affine_text(const TorchvisionAffine& p) {
  std::string text = format("affine %.1f degrees", p.angle);
  if (p.translate_x != 0 || p.translate_y != 0) text += format(", translation %+.0f%+.0f", p.translate_x, p.translate_y);
  if (p.scale != 1) text += format(", scale %.2f", p.scale);
  if (p.shear_x != 0 || p.shear_y != 0) text += format(", shear %.1f degrees", p.shear_x);
  if (p.shear_y != 0) text += format(" and %.1f", p.shear_y);
  return text;
}

std::string op_text(const DrawnOp& op) {
  const auto& p = op.parameters;
  switch (kind_of(op)) {
    case Drawn::affine:
      return affine_text(affine_of(op));
    case Drawn::rotate:
      return format("rotate %.1f", -std::atan2(p[1], p[0]) * 180 / std::numbers::pi);
    case Drawn::shear_x:
      return format("shear x %.2f", p[1]);
    case Drawn::shear_y:
      return format("shear y %.2f", p[3]);
    case Drawn::translate_x:
      return format("translate x %.1f", p[2]);
    case Drawn::translate_y:
      return format("translate y %.1f", p[5]);
    case Drawn::turn:
      return format("rotate %.0f", 90 * p[0]);
    case Drawn::flip_horizontal:
      return "flip";
    case Drawn::flip_vertical:
      return "vertical flip";
    case Drawn::crop:
      return format("crop %.0fx%.0f%+.0f%+.0f", p[2], p[3], p[0], p[1]);
    case Drawn::resize:
      return format("resize %.0fx%.0f %s", p[0], p[1], name_of(static_cast<Filter>(detail_of(op) & 127)));
    case Drawn::invert:
      return "invert";
    case Drawn::auto_contrast:
      return "autocontrast";
    case Drawn::equalize:
      return "equalize";
    case Drawn::solarize:
      return format("solarize %g", p[0]);
    case Drawn::solarize_add:
      return format("solarize add %.0f", p[0]);
    case Drawn::posterize:
      return format("posterize %.0f", p[0]);
    case Drawn::brightness:
      return format("brightness %.2f", p[0]);
    case Drawn::contrast:
      return format("contrast %.2f", p[0]);
    case Drawn::color:
      return format("color %.2f", p[0]);
    case Drawn::sharpness:
      return format("sharpness %.2f", p[0]);
    case Drawn::hue:
      return format("hue %.3f", p[0]);
    case Drawn::grayscale:
      return "grayscale";
    case Drawn::blur:
      return format("blur %.2f", p[0]);
    case Drawn::erase:
      return format("erase %.0fx%.0f%+.0f%+.0f", p[2], p[3], p[0], p[1]);
  }
  return {};
}

}  // namespace

std::string describe(const Draw& draw) {
  std::string text = frame_text(draw.framing);
  for (int i = 0; i < draw.count; ++i) text += ", " + op_text(draw.ops[static_cast<std::size_t>(i)]);
  return text;
}

}  // namespace millrace::augment
