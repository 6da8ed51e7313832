#include "augment/erase.h"

namespace millrace::augment {

void erase(float* picture, const RowFormat& format, const Roi& box, RandomErasing::Value value, RandomSource& noise) {
  const bool planar = format.layout == Layout::nchw;
  const std::ptrdiff_t step = planar ? 1 : format.channels, line = std::ptrdiff_t{format.width} * step;
  for (int c = 0; c < format.channels; ++c) {
    float* plane = picture + (planar ? std::ptrdiff_t{c} * format.height * format.width : std::ptrdiff_t{c});
    const float constant = value == RandomErasing::Value::per_channel ? static_cast<float>(noise.normal()) : 0.0f;
    for (int y = box.top; y < box.top + box.height; ++y)
      for (int x = box.left; x < box.left + box.width; ++x)
        plane[y * line + x * step] = value == RandomErasing::Value::per_pixel ? static_cast<float>(noise.normal()) : constant;
  }
}

}  // namespace millrace::augment
