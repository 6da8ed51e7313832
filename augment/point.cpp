#include "augment/point.h"

#include <algorithm>
#include <cmath>

#include "augment/enhance.h"

namespace millrace::augment {
namespace {

template <class F>
Table table_of(F&& value) {
  Table t;
  for (int v = 0; v < 256; ++v) t[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(value(v));
  return t;
}

Table identity_table() {
  return table_of([](int v) { return v; });
}

}  // namespace

Table invert_table() {
  return table_of([](int v) { return 255 - v; });
}

Table solarize_table(double threshold) {
  return table_of([=](int v) { return v < threshold ? v : 255 - v; });
}

Table solarize_add_table(int amount, int threshold) {
  return table_of([=](int v) { return v < threshold ? std::clamp(v + amount, 0, 255) : v; });
}

Table posterize_table(int bits) {
  if (bits >= 8) return identity_table();
  if (bits <= 0) return Table{};
  return table_of([=](int v) { return v & ~((1 << (8 - bits)) - 1); });
}

Table brightness_table(float factor) { return contrast_table(factor, 0); }

Table contrast_table(float factor, int mean) {
  return table_of([=](int v) { return blend(static_cast<std::uint8_t>(mean), static_cast<std::uint8_t>(v), factor); });
}

void map_histograms(const Tables& tables, int channels, Histograms& counts) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    std::array<std::uint32_t, 256> mapped{};
    for (std::size_t v = 0; v < 256; ++v) mapped[tables[c][v]] += counts[c][v];
    counts[c] = mapped;
  }
}

Table autocontrast_table(const std::array<std::uint32_t, 256>& counts) {
  const auto present = [](std::uint32_t n) { return n != 0; };
  const int low = static_cast<int>(std::find_if(counts.begin(), counts.end(), present) - counts.begin());
  const int high = 255 - static_cast<int>(std::find_if(counts.rbegin(), counts.rend(), present) - counts.rbegin());
  if (high <= low) return identity_table();
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return table_of([=](int v) { return std::clamp(static_cast<int>(v * scale + offset), 0, 255); });
}

Table equalize_table(const std::array<std::uint32_t, 256>& counts) {
  std::uint64_t sum = 0, last = 0;
  int bins = 0;
  for (const std::uint32_t n : counts) {
    sum += n;
    if (n != 0) {
      ++bins;
      last = n;
    }
  }
  const std::uint64_t step = bins <= 1 ? 0 : (sum - last) / 255;
  if (step == 0) return identity_table();
  std::uint64_t n = step / 2;
  Table t;
  for (std::size_t v = 0; v < 256; ++v) {
    t[v] = static_cast<std::uint8_t>(std::min<std::uint64_t>(255, n / step));
    n += counts[v];
  }
  return t;
}

void apply_table(ImageView in, const Table& table, MutableImageView out) { apply_tables(in, {table, table, table}, out); }

}  // namespace millrace::augment
