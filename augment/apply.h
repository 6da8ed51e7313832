#pragma once
#include "augment/canvas.h"
#include "augment/drawn.h"
#include "augment/ops.h"

namespace millrace::augment {

/// What drawn operations need besides their parameters: fixed when the recipe was compiled.
struct ApplyContext {
  PassOrder pass_order = PassOrder::horizontal_first;
  const Fill* fills = nullptr;            ///< One a slot.
};

/// The framing: crop with padding, resize, flips, in that order. `visible` is the part of the roi inside the picture.
/// `moves_left`: whether a later operation needs another tile.
/// Returns how many of draw.ops were done along with it.
int apply_framing(const Draw& draw, const ImageInfo& image, const ApplyContext& context, bool moves_left, Canvas& canvas);

/// One operation. Erasing is not one of them: it works on the row.
void apply_operation(const DrawnOp& op, const ApplyContext& context, bool moves_left, Canvas& canvas);

/// Whether the operation writes a new tile rather than the one it reads.
bool needs_tile(const DrawnOp& op);

}  // namespace millrace::augment
