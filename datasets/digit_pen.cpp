#include "datasets/digit_pen.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "datasets/digit_glyphs.h"

// Floats throughout, with + - * / and sqrt only: these round alike everywhere, so the set is the same on every machine.
namespace millrace {
namespace {

constexpr int kSide = kDigitSide, kMargin = 4, kStride = 40, kLanes = 8;
constexpr int kStepsPerSpan = 4;

/// Numbers for one picture.
class Dice {
 public:
  explicit Dice(const RngKey& key) : rng_(key) {}
  std::uint32_t word() { return rng_.next32(); }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(std::uint64_t{word()} * n >> 32); }
  float unit() { return static_cast<float>(word() >> 8) * 0x1p-24f; }
  float between(float a, float b) { return a + (b - a) * unit(); }
  bool chance(float p) { return unit() < p; }
  /// Nearly normal, standard deviation `sigma`, at most 3.4 of them: the sum of four uniform bytes.
  float bell(float sigma) {
    const std::uint32_t w = word();
    const auto sum = static_cast<float>((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24));
    return sigma * (sum - 510.f) * (1.f / 147.8f);
  }

 private:
  Rng rng_;
};

/// A point of the drawn line, with the pen's half width and darkness there.
struct Point {
  float x, y, radius, ink;
  bool joined; ///< To the point before.
};

struct Line {
  std::array<Point, kMaxKnots * kStepsPerSpan + 8> points;
  std::size_t count = 0;
  void add(const Point& p) { points[count++] = p; }
};

/// The value at t in [0, 1] of the Catmull-Rom curve from b to c.
float curve(float a, float b, float c, float d, float t) {
  return .5f * (2.f * b + (c - a) * t + (2.f * a - 5.f * b + 4.f * c - d) * t * t + (3.f * b - a - 3.f * c + d) * t * t * t);
}

/// Moves the knots of a style and joins them to a line, still in the glyph's box.
void write_line(const Glyph& glyph, Dice& dice, Line& line) {
  std::array<Point, kMaxKnots> knots;
  const std::size_t count = glyph.knots.size();
  const float unrest = dice.between(.025f, .075f), radius = .65f + 1.15f * dice.unit() * dice.unit() + .25f * dice.unit();
  const float press = dice.between(.75f, 1.f);
  for (std::size_t i = 0; i < count; ++i) {
    const Knot& k = glyph.knots[i];
    knots[i] = {k.x + dice.bell(unrest), k.y + dice.bell(unrest), radius * (1.f + dice.bell(.12f)), press + dice.bell(.08f), i > 0 && k.kind != Knot::lift};
  }
  line.add(knots[0]);
  for (std::size_t i = 1; i < count; ++i) {
    if (!knots[i].joined) {
      line.add(knots[i]);
      continue;
    }
    // Where the line begins, ends or has a corner, the curve goes on straight: its outer neighbour is the point itself.
    const bool begins = i == 1 || !knots[i - 1].joined || glyph.knots[i - 1].kind == Knot::corner;
    const bool ends = i + 1 == count || !knots[i + 1].joined || glyph.knots[i].kind == Knot::corner;
    const Point &b = knots[i - 1], &c = knots[i], &a = begins ? b : knots[i - 2], &d = ends ? c : knots[i + 1];
    for (int step = 1; step <= kStepsPerSpan; ++step) {
      const float t = static_cast<float>(step) * (1.f / kStepsPerSpan);
      line.add({curve(a.x, b.x, c.x, d.x, t), curve(a.y, b.y, c.y, d.y, t), b.radius + (c.radius - b.radius) * t, b.ink + (c.ink - b.ink) * t, true});
    }
  }
}

/// Bends, slants, turns and scales the line, and puts its box near the middle of the picture.
void place_line(const Glyph& glyph, Dice& dice, Line& line) {
  const float bend = dice.bell(.16f), fan = dice.bell(.18f), wave = dice.bell(.35f), sag = dice.bell(.12f), lean = dice.bell(.12f);
  const float slant = .12f + dice.bell(.22f), turn = dice.bell(.13f);
  const float height = 19.5f + dice.bell(1.5f), width = height * glyph.aspect * (1.f + dice.bell(.16f));
  // Sine and cosine to the third order: the small error is only one more slight deformation.
  const float sine = turn - turn * turn * turn * (1.f / 6.f), cosine = 1.f - .5f * turn * turn;
  float left = 1e9f, right = -1e9f, top = 1e9f, bottom = -1e9f;
  for (Point& p : std::span(line.points).first(line.count)) {
    float u = p.x - .5f, v = p.y - .5f;
    u += bend * (v * v - .08f) + fan * u * v + wave * (v * v * v - .15f * v);
    v += sag * (u * u - .08f) + lean * u * v;
    u = u * width - slant * v * height;
    v *= height;
    p.x = cosine * u - sine * v;
    p.y = sine * u + cosine * v;
    left = std::min(left, p.x), right = std::max(right, p.x);
    top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const float extent = std::max(right - left, bottom - top), fit = extent > 22.f ? 22.f / extent : 1.f;
  const float middle = .5f * kSide - .5f;
  const float x = middle - .5f * (left + right) * fit + dice.bell(1.1f), y = middle - .5f * (top + bottom) * fit + dice.bell(1.1f);
  for (Point& p : std::span(line.points).first(line.count)) p.x = p.x * fit + x, p.y = p.y * fit + y;
}

/// Darkness 0 .. 1, with a margin, so that eight pixels can always be written at once.
struct Canvas {
  alignas(32) std::array<float, kSide * kStride> ink{};
  float* at(int x, int y) { return ink.data() + y * kStride + kMargin + x; }

  /// A round brush drawn from p to q; where strokes overlap, the darker one shows.
  void stroke(const Point& p, const Point& q) {
    const float reach = std::max(p.radius, q.radius) + .5f;
    const int left = std::clamp(static_cast<int>(std::min(p.x, q.x) - reach + 1.f), -kMargin, kSide - 1);
    const int right = std::min(static_cast<int>(std::max(p.x, q.x) + reach + 1.f), kSide);
    const int top = std::max(static_cast<int>(std::min(p.y, q.y) - reach + 1.f), 0);
    const int bottom = std::min(static_cast<int>(std::max(p.y, q.y) + reach + 1.f), kSide);
    const float dx = q.x - p.x, dy = q.y - p.y, per_length = 1.f / (dx * dx + dy * dy + 1e-6f);
    const float radius = p.radius + .5f, widening = q.radius - p.radius, darkening = q.ink - p.ink;
    for (int y = top; y < bottom; ++y) {
      const float py = static_cast<float>(y) - p.y;
      for (int x = left; x < right; x += kLanes) {
        float* out = at(x, y);
        for (int lane = 0; lane < kLanes; ++lane) {
          const float px = static_cast<float>(x + lane) - p.x;
          float t = (px * dx + py * dy) * per_length;
          t = t < 0.f ? 0.f : t;
          t = t > 1.f ? 1.f : t;
          const float ex = px - t * dx, ey = py - t * dy;
          float cover = radius + widening * t - std::sqrt(ex * ex + ey * ey);
          cover = cover < 0.f ? 0.f : cover;
          cover = cover > 1.f ? 1.f : cover;
          cover *= p.ink + darkening * t;
          out[lane] = out[lane] < cover ? cover : out[lane];
        }
      }
    }
  }

  /// Three-tap blur along `step` (1: rows, kStride: columns), in place.
  void blur(float outer, std::ptrdiff_t step) {
    std::array<float, kSide * kStride> source = ink;
    const float inner = 1.f - 2.f * outer;
    const std::size_t begin = static_cast<std::size_t>(step), end = source.size() - begin;
    for (std::size_t i = begin; i < end; ++i) ink[i] = inner * source[i] + outer * (source[i - begin] + source[i + begin]);
  }
};

void draw_line(const Line& line, Dice& dice, Canvas& canvas) {
  // A pen that skips: a few pieces are left out.
  const bool skips = dice.chance(.1f);
  const std::size_t gap = skips ? dice.below(static_cast<std::uint32_t>(line.count)) : line.count;
  const std::size_t gap_end = skips ? gap + 1 + dice.below(4) : gap;
  for (std::size_t i = 1; i < line.count; ++i) {
    if (line.points[i].joined && !(i >= gap && i < gap_end)) canvas.stroke(line.points[i - 1], line.points[i]);
  }
}

/// Specks of dirt and, seldom, a stray short stroke.
void draw_dirt(Dice& dice, Canvas& canvas) {
  if (!dice.chance(.12f)) return;
  const bool stray = dice.chance(.35f);
  for (std::uint32_t left = stray ? 1 : 1 + dice.below(3); left > 0; --left) {
    const Point p{dice.between(1.f, 26.f), dice.between(1.f, 26.f), dice.between(.1f, .7f), dice.between(.4f, 1.f), false};
    const float reach = stray ? 3.5f : .5f;
    canvas.stroke(p, {p.x + dice.between(-reach, reach), p.y + dice.between(-reach, reach), p.radius, p.ink, true});
  }
}

/// To bytes: ink saturates, its grain varies from pixel to pixel.
void develop(Dice& dice, const Canvas& canvas, std::uint8_t* pixels) {
  const float gain = dice.between(.95f, 1.2f), grain = dice.between(0.f, .22f) * (1.f / 255.f), fog = dice.chance(.15f) ? dice.between(0.f, 20.f) * (1.f / 255.f) : 0.f;
  for (int y = 0; y < kSide; ++y) {
    const float* row = canvas.ink.data() + y * kStride + kMargin;
    std::array<std::uint8_t, kSide> noise;
    for (int x = 0; x < kSide; x += 4) {
      const std::uint32_t w = dice.word();
      std::memcpy(noise.data() + x, &w, sizeof(w));
    }
    for (int x = 0; x < kSide; ++x) {
      const auto n = static_cast<float>(noise[static_cast<std::size_t>(x)]);
      float value = row[x] * gain;
      value = value > 1.f ? 1.f : value;
      value = 255.f * value * (1.f - grain * n) + fog * n;
      pixels[y * kSide + x] = static_cast<std::uint8_t>(static_cast<int>(std::min(value + .5f, 255.f)));
    }
  }
}

const Glyph& choose_style(int digit, Dice& dice) {
  const auto styles = glyphs_of(digit);
  float left = dice.unit();
  for (const Glyph& glyph : styles) {
    left -= glyph.weight;
    if (left < 0.f) return glyph;
  }
  return styles.back();
}

}  // namespace

int draw_digit(const RngKey& key, std::uint8_t* pixels) {
  Dice dice(key);
  const int digit = static_cast<int>(dice.below(10));
  const Glyph& glyph = choose_style(digit, dice);
  Line line;
  write_line(glyph, dice, line);
  place_line(glyph, dice, line);
  Canvas canvas;
  draw_line(line, dice, canvas);
  draw_dirt(dice, canvas);
  const float softness = dice.between(0.f, .16f);
  canvas.blur(softness, 1);
  canvas.blur(softness, kStride);
  develop(dice, canvas, pixels);
  return digit;
}

}  // namespace millrace
