#include "augment/apply.h"

#include <algorithm>

#include "augment/crop.h"

namespace millrace::augment {
namespace {

void flip_in_place(Canvas& canvas, bool horizontal, bool vertical, bool last) {
  if (!horizontal && !vertical) return;
  const MutableImageView tile = canvas.writable(last);
  if (horizontal) flip_horizontal(tile, tile);
  if (vertical) flip_vertical(tile, tile);
}

}  // namespace

bool needs_tile(const DrawnOp& op) {
  switch (kind_of(op)) {
    case Drawn::affine:
    case Drawn::rotate:
    case Drawn::shear_x:
    case Drawn::shear_y:
    case Drawn::translate_x:
    case Drawn::translate_y:
    case Drawn::turn:
    case Drawn::crop:
    case Drawn::resize:
    case Drawn::sharpness:
    case Drawn::blur: return true;
    default: return false;
  }
}

int apply_framing(const Draw& draw, const ImageInfo& image, const ApplyContext&, bool moves_left, Canvas& canvas) {
  const Framing& f = draw.framing;
  const bool last = !moves_left;
  const Roi inside{std::max(0, f.roi.left), std::max(0, f.roi.top), canvas.view().width, canvas.view().height};
  (void)image;
  if (inside.size() != f.roi.size()) {
    const ImageView source = canvas.view();
    crop(source, f.roi.left - inside.left, f.roi.top - inside.top, PadMode::constant, f.fill, canvas.fresh(f.roi.size(), last));
  }
  flip_in_place(canvas, f.flip_horizontal, f.flip_vertical, last);
  return 0;
}

void apply_operation(const DrawnOp& op, const ApplyContext& context, bool moves_left, Canvas& canvas) {
  const bool last = !moves_left;
  const auto& p = op.parameters;
  switch (kind_of(op)) {
    case Drawn::affine:
    case Drawn::rotate:
    case Drawn::shear_x:
    case Drawn::shear_y:
    case Drawn::translate_x:
    case Drawn::translate_y: {
      canvas.settle(false);
      const ImageView source = canvas.view();
      return affine(source, p, static_cast<Filter>(detail_of(op)), context.fills[op.slot], canvas.fresh(source.size(), last), canvas.kernel_scratch());
    }
    case Drawn::turn: {
      const ImageView source = canvas.view();
      return turn(source, static_cast<int>(p[0]), canvas.fresh(source.size(), last));
    }
    case Drawn::flip_horizontal: return flip_in_place(canvas, true, false, last);
    case Drawn::flip_vertical: return flip_in_place(canvas, false, true, last);
    case Drawn::crop: {
      canvas.settle(false);
      const ImageView source = canvas.view();
      const Roi window{static_cast<int>(p[0]), static_cast<int>(p[1]), static_cast<int>(p[2]), static_cast<int>(p[3])};
      return crop(source, window.left, window.top, static_cast<PadMode>(detail_of(op)), context.fills[op.slot], canvas.fresh(window.size(), last));
    }
    default: return;
  }
}

}  // namespace millrace::augment
