#include "augment/apply.h"

#include <algorithm>

#include "augment/crop.h"
#include "augment/image_ops.h"

namespace millrace::augment {
namespace {

void flip(Canvas& canvas, bool horizontal, bool vertical, bool last) {
  if (!horizontal && !vertical) return;
  const ImageView from = canvas.view();
  const MutableImageView to = canvas.owned() ? canvas.writable(last) : canvas.fresh(from.size(), last);
  if (horizontal) flip_horizontal(from, to);
  if (vertical) flip_vertical(horizontal ? ImageView(to) : from, to);
}

Roi window_of(const DrawnOp& op) {
  const auto& p = op.parameters;
  return {static_cast<int>(p[0]), static_cast<int>(p[1]), static_cast<int>(p[2]), static_cast<int>(p[3])};
}

// The tables of a histogram operation, of the picture that pending tables would give.
template <class TableOf>
void push_histogram_tables(Canvas& canvas, TableOf&& table_of) {
  Histograms counts;
  histograms(canvas.view(), counts);
  const int channels = canvas.view().channels;
  if (canvas.has_tables()) map_histograms(canvas.tables(), channels, counts);
  Tables tables;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) tables[c] = table_of(counts[c]);
  canvas.push(tables);
}

// Operations that work on the pixels, in place.
template <class Function>
void on_pixels(Canvas& canvas, bool last, Function&& function) {
  if (canvas.view().channels == 1) return;  // Color, hue and grayscale leave grey pictures as they are.
  canvas.settle(last);
  const MutableImageView tile = canvas.writable(last);
  function(tile);
}

// Operations that read one tile and write another of the same size.
template <class Function>
void to_new_tile(Canvas& canvas, Size size, bool last, Function&& function) {
  canvas.settle(false);
  const ImageView from = canvas.view();
  function(from, canvas.fresh(size, last));
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
    case Drawn::blur:
      return true;
    default:
      return false;
  }
}

FramingPlan plan_framing(const Draw& draw, PassOrder pass_order) {
  const Framing& f = draw.framing;
  FramingPlan plan;
  plan.resizes = !(f.target == f.roi.size());
  ResizePass& pass = plan.pass;
  pass = {f.target, {0, 0, f.target.width, f.target.height}, f.flip_horizontal, f.flip_vertical, {f.filter, f.antialias, pass_order}};
  if (!plan.resizes) return plan;
  for (; plan.done < draw.count; ++plan.done) {
    const DrawnOp& op = draw.ops[static_cast<std::size_t>(plan.done)];
    if (kind_of(op) == Drawn::flip_horizontal) {
      pass.flip_horizontal = !pass.flip_horizontal;
    } else if (kind_of(op) == Drawn::flip_vertical) {
      pass.flip_vertical = !pass.flip_vertical;
    } else if (kind_of(op) == Drawn::crop) {
      const Roi w = window_of(op);
      Roi& window = pass.window;
      if (w.left < 0 || w.top < 0 || w.left + w.width > window.width || w.top + w.height > window.height) break;
      // The window counts in the picture before flips.
      window.left += pass.flip_horizontal ? window.width - w.left - w.width : w.left;
      window.top += pass.flip_vertical ? window.height - w.top - w.height : w.top;
      window.width = w.width;
      window.height = w.height;
    } else {
      break;
    }
  }
  return plan;
}

void pad_to_roi(const Framing& f, bool last, Canvas& canvas) {
  const ImageView visible = canvas.view();
  if (visible.size() == f.roi.size()) return;
  const int left = std::max(0, f.roi.left), top = std::max(0, f.roi.top);
  crop(visible, f.roi.left - left, f.roi.top - top, PadMode::constant, f.fill, canvas.fresh(f.roi.size(), last));
}

void apply_framing(const Draw& draw, const FramingPlan& plan, bool moves_left, Canvas& canvas) {
  const Framing& f = draw.framing;
  const bool last = !moves_left;
  pad_to_roi(f, last && !plan.resizes, canvas);
  if (!plan.resizes) return flip(canvas, f.flip_horizontal, f.flip_vertical, last);
  const ImageView from = canvas.view();
  resize(from, plan.pass, canvas.fresh(plan.pass.window.size(), last), canvas.scratch());
}

void apply_operation(const DrawnOp& op, const ApplyContext& context, bool moves_left, Canvas& canvas) {
  const bool last = !moves_left;
  const auto& p = op.parameters;
  const auto factor = static_cast<float>(p[0]);
  const Size size = canvas.view().size();
  switch (kind_of(op)) {
    case Drawn::affine:
      return to_new_tile(canvas, size, last, [&](ImageView from, MutableImageView to) {
        const AffineMap map = torchvision_map(affine_of(op), size.width * 0.5, size.height * 0.5);
        affine(from, map, static_cast<Filter>(detail_of(op)), context.fills[op.slot], to, canvas.kernel_scratch());
      });
    case Drawn::rotate:
    case Drawn::shear_x:
    case Drawn::shear_y:
    case Drawn::translate_x:
    case Drawn::translate_y:
      return to_new_tile(canvas, size, last, [&](ImageView from, MutableImageView to) {
        affine(from, p, static_cast<Filter>(detail_of(op)), context.fills[op.slot], to, canvas.kernel_scratch());
      });
    case Drawn::turn:
      return to_new_tile(canvas, size, last, [&](ImageView from, MutableImageView to) { turn(from, static_cast<int>(p[0]), to); });
    case Drawn::crop: {
      const Roi w = window_of(op);
      return to_new_tile(canvas, w.size(), last, [&](ImageView from, MutableImageView to) {
        crop(from, w.left, w.top, static_cast<PadMode>(detail_of(op)), context.fills[op.slot], to);
      });
    }
    case Drawn::resize: {
      const ResizeOptions options{static_cast<Filter>(detail_of(op) & 127), (detail_of(op) & 128) == 0, context.pass_order};
      return to_new_tile(canvas, {static_cast<int>(p[0]), static_cast<int>(p[1])}, last,
                         [&](ImageView from, MutableImageView to) { resize(from, options, to, canvas.scratch()); });
    }
    case Drawn::sharpness:
      return to_new_tile(canvas, size, last, [&](ImageView from, MutableImageView to) { sharpness(from, factor, to); });
    case Drawn::blur:
      return to_new_tile(canvas, size, last,
                         [&](ImageView from, MutableImageView to) { gaussian_blur(from, p[0], to, canvas.kernel_scratch()); });
    case Drawn::flip_horizontal:
      return flip(canvas, true, false, last);
    case Drawn::flip_vertical:
      return flip(canvas, false, true, last);
    case Drawn::invert:
      return canvas.push(invert_table());
    case Drawn::solarize:
      return canvas.push(solarize_table(p[0]));
    case Drawn::solarize_add:
      return canvas.push(solarize_add_table(static_cast<int>(p[0])));
    case Drawn::posterize:
      return canvas.push(posterize_table(static_cast<int>(p[0])));
    case Drawn::brightness:
      return canvas.push(brightness_table(factor));
    case Drawn::contrast: {
      canvas.settle(last);
      return canvas.push(contrast_table(factor, mean_luma(canvas.view())));
    }
    case Drawn::auto_contrast:
      return push_histogram_tables(canvas, autocontrast_table);
    case Drawn::equalize:
      return push_histogram_tables(canvas, equalize_table);
    case Drawn::color:
      return on_pixels(canvas, last, [&](MutableImageView tile) { color(tile, factor, tile); });
    case Drawn::hue:
      return on_pixels(canvas, last, [&](MutableImageView tile) { hue(tile, p[0], tile); });
    case Drawn::grayscale:
      return on_pixels(canvas, last, [&](MutableImageView tile) { grayscale(tile, tile); });
    case Drawn::erase:
      return;
  }
}

}  // namespace millrace::augment
