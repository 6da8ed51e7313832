#include "augment/normalize.h"

#include <cstring>

#include "augment/normalize_kernels.h"

namespace millrace::augment {
namespace {

float at(std::span<const double> values, int c, float otherwise) {
  if (values.empty()) return otherwise;
  return static_cast<float>(values[values.size() == 1 ? 0 : static_cast<std::size_t>(c)]);
}

void split_bytes(Normalizer& n) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(n.channels); ++c)
    for (std::size_t v = 0; v < 256; ++v) {
      std::uint8_t bytes[4];
      std::memcpy(bytes, &n.value[c][v], 4);
      for (std::size_t b = 0; b < 4; ++b) n.plane[c][b][v] = bytes[b];
    }
}

}  // namespace

Normalizer make_normalizer(int channels, std::span<const double> mean, std::span<const double> std) {
  Normalizer n;
  n.channels = channels;
  for (int c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    n.mean[i] = at(mean, c, 0.0f);
    n.std[i] = at(std, c, 1.0f);
    n.inverse_std[i] = 1.0f / n.std[i];
    for (int v = 0; v < 256; ++v) n.value[i][static_cast<std::size_t>(v)] = (static_cast<float>(v) / 255.0f - n.mean[i]) / n.std[i];
  }
  split_bytes(n);
  n.by_formula = formula_equals_tables(n);
  return n;
}

Normalizer compose(const Normalizer& normalizer, const std::array<Table, 3>& tables) {
  Normalizer n = normalizer;
  for (std::size_t c = 0; c < static_cast<std::size_t>(n.channels); ++c)
    for (std::size_t v = 0; v < 256; ++v) n.value[c][v] = normalizer.value[c][tables[c][v]];
  split_bytes(n);
  n.by_formula = false;
  return n;
}

void normalize(ImageView in, const Normalizer& normalizer, Layout layout, float* picture) {
  const std::size_t total = static_cast<std::size_t>(in.width) * static_cast<std::size_t>(in.height);
  if (in.stride_bytes == in.width * in.channels) return normalize(in.data, total, normalizer, layout, picture, 0, total);
  for (int y = 0; y < in.height; ++y)
    normalize(in.row(y), static_cast<std::size_t>(in.width), normalizer, layout, picture,
              static_cast<std::size_t>(y) * static_cast<std::size_t>(in.width), total);
}

}  // namespace millrace::augment
