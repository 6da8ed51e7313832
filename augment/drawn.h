#pragma once
#include <cstdint>

#include "augment/affine.h"
#include "augment/ops.h"
#include "pipeline/recipe.h"

// What the numbers in a DrawnOp mean. Private to augment/.
namespace millrace::augment {

/// Which operation. Parameters, where there are any, in the comment.
enum class Drawn : std::uint8_t {
  affine,  ///< Degrees, translation right and down, scale, shears, as TorchvisionAffine; detail: Filter.
  rotate,
  shear_x,
  shear_y,
  translate_x,
  translate_y,  ///< The six coefficients; detail: Filter.
  turn,         ///< Quarter turns, counter-clockwise.
  flip_horizontal,
  flip_vertical,
  crop,    ///< left, top, width, height; detail: PadMode.
  resize,  ///< width, height; detail: Filter, + 128 without antialias.
  invert,
  auto_contrast,
  equalize,
  solarize,      ///< Threshold.
  solarize_add,  ///< Amount.
  posterize,     ///< Bits.
  brightness,
  contrast,
  color,
  sharpness,
  hue,  ///< Factor.
  grayscale,
  blur,   ///< Radius.
  erase,  ///< left, top, width, height, number of the box.
};

inline std::uint16_t pack(Drawn op, std::uint8_t detail = 0) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(op) | detail << 8u);
}
inline Drawn kind_of(const DrawnOp& op) { return static_cast<Drawn>(op.op & 0xff); }
inline std::uint8_t detail_of(const DrawnOp& op) { return static_cast<std::uint8_t>(op.op >> 8); }

inline TorchvisionAffine affine_of(const DrawnOp& op) {
  const auto& p = op.parameters;
  return {.angle = p[0], .translate_x = p[1], .translate_y = p[2], .scale = p[3], .shear_x = p[4], .shear_y = p[5]};
}

/// Collects a Draw: operations at the front that crop, resize or flip become its framing (one pass), the rest its list.
class DrawBuilder {
 public:
  DrawBuilder(Draw& draw, Size picture) : draw_(draw), size_(picture) {
    draw.framing.roi = {0, 0, picture.width, picture.height};
    draw.framing.target = picture;
  }
  Size size() const { return size_; }  ///< Of the picture after what was drawn so far.
  void set_slot(std::uint8_t slot) { slot_ = slot; }

  void crop(const Roi& window, PadMode mode, const Fill& fill);
  void resize(Size size, Filter filter, bool antialias);
  void flip_horizontal();
  void flip_vertical();
  void map(Drawn kind, const AffineMap& map, Filter filter);
  void affine(const TorchvisionAffine& p, Filter filter);
  void rotate(double degrees, Filter filter);
  void add(Drawn kind, double p0 = 0, double p1 = 0, double p2 = 0, double p3 = 0, double p4 = 0);
  bool full() const { return draw_.count == Draw::kMaxOps; }

 private:
  DrawnOp& next(Drawn kind, std::uint8_t detail);

  Draw& draw_;
  Size size_;
  std::uint8_t slot_ = 0;
  bool cropped_ = false, resized_ = false, flipped_ = false;
};

}  // namespace millrace::augment
