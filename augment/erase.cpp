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

void erased_values(int channels, const Roi& box, RandomErasing::Value value, RandomSource& noise, std::vector<float>& into) {
  if (value == RandomErasing::Value::constant) return;
  const bool each = value == RandomErasing::Value::per_pixel;
  const std::size_t count = static_cast<std::size_t>(channels) * (each ? static_cast<std::size_t>(box.width) * static_cast<std::size_t>(box.height) : 1);
  for (std::size_t i = 0; i < count; ++i) into.push_back(static_cast<float>(noise.normal()));
}

}  // namespace millrace::augment
