#include "augment/hue.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace millrace::augment {
namespace {

struct Hsv {
  std::uint8_t h, s, v;
};

Hsv to_hsv(std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  const int most = std::max({r, g, b}), least = std::min({r, g, b});
  if (most == least) return {0, 0, static_cast<std::uint8_t>(most)};
  const auto c = static_cast<float>(most - least);
  const float s = c / static_cast<float>(most);
  const float rc = static_cast<float>(most - r) / c, gc = static_cast<float>(most - g) / c, bc = static_cast<float>(most - b) / c;
  float h;
  if (r == most)
    h = bc - gc;
  else if (g == most)
    h = static_cast<float>(2.0 + rc - bc);
  else
    h = static_cast<float>(4.0 + gc - rc);
  // fmod(h / 6 + 1, 1) of a value between 0 and 2 (h is -1 .. 5).
  const double turn = h / 6.0 + 1.0;
  h = static_cast<float>(turn >= 1.0 ? turn - 1.0 : turn);
  return {static_cast<std::uint8_t>(static_cast<int>(h * 255.0)), static_cast<std::uint8_t>(static_cast<int>(s * 255.0)),
          static_cast<std::uint8_t>(most)};
}

// What depends on H alone: the sextant and the fraction in it.
struct Sextant {
  int i;
  float d;
};

std::array<Sextant, 256> sextants() {
  std::array<Sextant, 256> table;
  for (int h = 0; h < 256; ++h) {
    const double u = h * 6.0 / 255.0;
    const int i = static_cast<int>(std::floor(u));
    table[static_cast<std::size_t>(h)] = {i % 6, static_cast<float>(u - i)};
  }
  return table;
}

// round(): ties away from zero, of a value that is not negative.
std::uint8_t rounded(double v) {
  const int whole = static_cast<int>(v);
  return static_cast<std::uint8_t>(v - whole >= 0.5 ? whole + 1 : whole);
}

void to_rgb(const Hsv& p, const Sextant& at, std::uint8_t* rgb) {
  const std::uint8_t m = p.v;
  if (p.s == 0) {
    rgb[0] = rgb[1] = rgb[2] = m;
    return;
  }
  const float z = static_cast<float>(p.s / 255.0);
  const float zd = z * at.d;
  const std::uint8_t low = rounded(m * (1.0 - z)), q = rounded(m * (1.0 - zd)), t = rounded(m * (1.0 - z * (1.0 - at.d)));
  const std::uint8_t order[6][3] = {{m, t, low}, {q, m, low}, {low, m, t}, {low, q, m}, {t, low, m}, {m, low, q}};
  std::memcpy(rgb, order[at.i], 3);
}

}  // namespace

void hue(ImageView in, double factor, MutableImageView out) {
  if (in.channels == 1) {
    if (in.data != out.data)
      for (int y = 0; y < in.height; ++y) std::memcpy(out.row(y), in.row(y), static_cast<std::size_t>(in.width));
    return;
  }
  const std::array<Sextant, 256> table = sextants();
  const auto shift = static_cast<std::uint8_t>(static_cast<int>(factor * 255));  // Truncated toward zero; negative values wrap.
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* from = in.row(y);
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < in.width; ++x, from += 3, to += 3) {
      Hsv p = to_hsv(from[0], from[1], from[2]);
      p.h = static_cast<std::uint8_t>(p.h + shift);
      to_rgb(p, table[p.h], to);
    }
  }
}

}  // namespace millrace::augment
