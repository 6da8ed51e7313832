#include "train/erasing.h"

namespace millrace::train {

void erase_boxes(const at::Tensor& images, std::span<const Erasures::Box> boxes, const at::Tensor& values) {
  at::NoGradGuard no_grad;
  for (const Erasures::Box& box : boxes) {
    const at::Tensor part = images.select(0, box.row).narrow(1, box.roi.top, box.roi.height).narrow(2, box.roi.left, box.roi.width);
    const auto count = static_cast<std::int64_t>(box.count);
    if (count == 0) {
      part.zero_();
      continue;
    }
    const at::Tensor mine = values.narrow(0, static_cast<std::int64_t>(box.first), count);
    part.copy_(count == part.size(0) ? mine.view({count, 1, 1}) : mine.view(part.sizes()), /*non_blocking=*/true);
  }
}

}  // namespace millrace::train
