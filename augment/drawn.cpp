#include "augment/drawn.h"

namespace millrace::augment {

// compile() has refused recipes that could draw more than kMaxOps.
DrawnOp& DrawBuilder::next(Drawn kind, std::uint8_t detail) {
  DrawnOp& op = draw_.ops[static_cast<std::size_t>(draw_.count++)];
  op.op = pack(kind, detail);
  op.slot = slot_;
  return op;
}

void DrawBuilder::crop(const Roi& window, PadMode mode, const Fill& fill) {
  const bool inside =
      window.left >= 0 && window.top >= 0 && window.left + window.width <= size_.width && window.top + window.height <= size_.height;
  if (draw_.count == 0 && !cropped_ && !resized_ && !flipped_ && (inside || mode == PadMode::constant)) {
    draw_.framing.roi = window;
    draw_.framing.target = window.size();
    draw_.framing.fill = fill;
    cropped_ = true;
  } else {
    DrawnOp& op = next(Drawn::crop, static_cast<std::uint8_t>(mode));
    op.parameters = {double(window.left), double(window.top), double(window.width), double(window.height), 0, 0};
  }
  size_ = window.size();
}

void DrawBuilder::resize(Size size, Filter filter, bool antialias) {
  if (size == size_) return;
  if (draw_.count == 0 && !resized_ && !flipped_) {
    draw_.framing.target = size;
    draw_.framing.filter = filter;
    draw_.framing.antialias = antialias;
    resized_ = true;
  } else {
    DrawnOp& op = next(Drawn::resize, static_cast<std::uint8_t>(static_cast<unsigned>(filter) | (antialias ? 0u : 128u)));
    op.parameters = {double(size.width), double(size.height), 0, 0, 0, 0};
  }
  size_ = size;
}

void DrawBuilder::flip_horizontal() {
  if (draw_.count > 0) return add(Drawn::flip_horizontal);
  draw_.framing.flip_horizontal = !draw_.framing.flip_horizontal;
  flipped_ = true;
}

void DrawBuilder::flip_vertical() {
  if (draw_.count > 0) return add(Drawn::flip_vertical);
  draw_.framing.flip_vertical = !draw_.framing.flip_vertical;
  flipped_ = true;
}

void DrawBuilder::map(Drawn kind, const AffineMap& map, Filter filter) { next(kind, static_cast<std::uint8_t>(filter)).parameters = map; }

void DrawBuilder::affine(const TorchvisionAffine& p, Filter filter) {
  next(Drawn::affine, static_cast<std::uint8_t>(filter)).parameters = {p.angle, p.translate_x, p.translate_y, p.scale, p.shear_x, p.shear_y};
}

void DrawBuilder::rotate(double degrees, Filter filter) {
  const int quarters = quarter_turns(degrees, size_);
  if (quarters > 0) return add(Drawn::turn, quarters);
  if (quarters < 0) map(Drawn::rotate, rotate_map(degrees, size_), filter);
}

void DrawBuilder::add(Drawn kind, double p0, double p1, double p2, double p3, double p4) {
  next(kind, 0).parameters = {p0, p1, p2, p3, p4, 0};
}

}  // namespace millrace::augment
