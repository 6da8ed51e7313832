#pragma once
#include "augment/canvas.h"
#include "augment/drawn.h"
#include "augment/ops.h"
#include "augment/resize.h"

namespace millrace::augment {

/// What drawn operations need besides their parameters: fixed when the recipe was compiled.
struct ApplyContext {
  PassOrder pass_order = PassOrder::horizontal_first;
  const Fill* fills = nullptr;  ///< One a slot.
};

/// The framing of a draw, with the crops and flips that follow it directly taken in.
struct FramingPlan {
  bool resizes = false;
  ResizePass pass;  ///< Where it resizes; flips are in it.
  int done = 0;     ///< How many of draw.ops are part of it.
};
FramingPlan plan_framing(const Draw& draw, PassOrder pass_order);

/// The framing's padding, so that the view is its roi: `visible` is the part of the roi inside the picture.
void pad_to_roi(const Framing& framing, bool last, Canvas& canvas);
/// Resize, crop and flips as planned, into a tile.
void apply_framing(const Draw& draw, const FramingPlan& plan, bool moves_left, Canvas& canvas);

/// One operation. Erasing is not one of them: it works on the row.
void apply_operation(const DrawnOp& op, const ApplyContext& context, bool moves_left, Canvas& canvas);

/// Whether the operation writes a new tile rather than the one it reads.
bool needs_tile(const DrawnOp& op);

}  // namespace millrace::augment
