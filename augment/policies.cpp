#include "augment/policies.h"

#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "augment/autoaugment_table.h"
#include "augment/draws.h"
#include "augment/image_ops.h"

namespace millrace::augment {
namespace {

double degrees(double radians) { return radians * (180.0 / std::numbers::pi); }

double linear_bin(double start, double end, int i, int n) {
  return n > 1 ? static_cast<float>(start + (end - start) * i / (n - 1)) : static_cast<float>(start);
}

int posterize_bits(int i, int n, double steps) { return 8 - static_cast<int>(std::nearbyint(i / ((n - 1) / steps))); }

// torchvision's _apply_op. `m` carries the sign.
void add_torchvision(TvOp op, double m, Filter filter, DrawBuilder& draw) {
  const double cx = draw.size().width * 0.5, cy = draw.size().height * 0.5;
  switch (op) {
    case TvOp::identity:
      return;
    case TvOp::shear_x:
      return draw.map(Drawn::shear_x, torchvision_map({.shear_x = degrees(std::atan(m))}, 0, 0), filter);
    case TvOp::shear_y:
      return draw.map(Drawn::shear_y, torchvision_map({.shear_y = degrees(std::atan(m))}, 0, 0), filter);
    case TvOp::translate_x:
      return draw.map(Drawn::translate_x, torchvision_map({.translate_x = std::trunc(m)}, cx, cy), filter);
    case TvOp::translate_y:
      return draw.map(Drawn::translate_y, torchvision_map({.translate_y = std::trunc(m)}, cx, cy), filter);
    case TvOp::rotate:
      return draw.rotate(m, filter);
    case TvOp::brightness:
      return draw.add(Drawn::brightness, 1.0 + m);
    case TvOp::color:
      return draw.add(Drawn::color, 1.0 + m);
    case TvOp::contrast:
      return draw.add(Drawn::contrast, 1.0 + m);
    case TvOp::sharpness:
      return draw.add(Drawn::sharpness, 1.0 + m);
    case TvOp::posterize:
      return draw.add(Drawn::posterize, m);
    case TvOp::solarize:
      return draw.add(Drawn::solarize, m);
    case TvOp::auto_contrast:
      return draw.add(Drawn::auto_contrast);
    case TvOp::equalize:
      return draw.add(Drawn::equalize);
    case TvOp::invert:
      return draw.add(Drawn::invert);
  }
}

void add_timm(const TimmChoice& choice, double value, Filter filter, DrawBuilder& draw) {
  const Size size = draw.size();
  switch (choice.op) {
    case TimmOp::auto_contrast:
      return draw.add(Drawn::auto_contrast);
    case TimmOp::equalize:
      return draw.add(Drawn::equalize);
    case TimmOp::invert:
      return draw.add(Drawn::invert);
    case TimmOp::rotate:
      return draw.rotate(value, filter);
    case TimmOp::posterize:
      return draw.add(Drawn::posterize, value);
    case TimmOp::solarize:
      return draw.add(Drawn::solarize, value);
    case TimmOp::solarize_add:
      return draw.add(Drawn::solarize_add, value);
    case TimmOp::color:
      return draw.add(Drawn::color, value);
    case TimmOp::contrast:
      return draw.add(Drawn::contrast, value);
    case TimmOp::brightness:
      return draw.add(Drawn::brightness, value);
    case TimmOp::sharpness:
      return draw.add(Drawn::sharpness, value);
    case TimmOp::shear_x:
      return draw.map(Drawn::shear_x, {1, value, 0, 0, 1, 0}, filter);
    case TimmOp::shear_y:
      return draw.map(Drawn::shear_y, {1, 0, 0, value, 1, 0}, filter);
    case TimmOp::translate_x:
      return draw.map(Drawn::translate_x, {1, 0, value * size.width, 0, 1, 0}, filter);
    case TimmOp::translate_y:
      return draw.map(Drawn::translate_y, {1, 0, 0, 0, 1, value * size.height}, filter);
    case TimmOp::desaturate:
      return draw.add(Drawn::color, static_cast<double>(desaturate_factor(value)));
    case TimmOp::blur:
      return draw.add(Drawn::blur, value);
  }
}

bool is_geometric(TimmOp op) {
  return op == TimmOp::rotate || op == TimmOp::shear_x || op == TimmOp::shear_y || op == TimmOp::translate_x || op == TimmOp::translate_y;
}

// The next member of a weighted set, among those not taken yet.
std::size_t draw_weighted(const std::vector<TimmChoice>& choices, std::uint64_t taken, RandomSource& random) {
  double sum = 0;
  for (std::size_t i = 0; i < choices.size(); ++i)
    if (!(taken >> i & 1)) sum += choices[i].weight;
  double at = random.uniform() * sum;
  std::size_t last = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if ((taken >> i & 1) || choices[i].weight <= 0) continue;
    last = i;
    if (at < choices[i].weight) return i;
    at -= choices[i].weight;
  }
  return last;  // Rounding used up the sum.
}

}  // namespace

void draw_timm(const TimmConfig& config, const TimmRandAugment& op, RandomSource& random, DrawBuilder& draw) {
  std::array<std::uint8_t, Draw::kMaxOps> drawn{};
  std::uint64_t taken = 0;
  for (int i = 0; i < config.num_ops; ++i) {
    const std::size_t index = config.weighted ? draw_weighted(config.choices, taken, random) : random.below(config.choices.size());
    taken |= std::uint64_t{1} << index;
    drawn[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(index);
  }
  for (int i = 0; i < config.num_ops; ++i) {
    const TimmChoice& choice = config.choices[drawn[static_cast<std::size_t>(i)]];
    if (config.probability < 1 && random.uniform() > config.probability) continue;
    double level = config.magnitude;
    if (config.uniform_noise)
      level = random.uniform(0, config.magnitude);
    else if (config.magnitude_std > 0)
      level += config.magnitude_std * random.normal();
    level = std::max(0.0, std::min(level, static_cast<double>(config.magnitude_max)));
    const double sign = timm_is_signed(choice.op, choice.increasing) ? draw_sign(random) : 1.0;
    Filter filter = op.filter;
    if (op.random_filter && is_geometric(choice.op)) filter = random.below(2) == 0 ? Filter::bilinear : Filter::bicubic;
    add_timm(choice, timm_argument(choice.op, choice.increasing, level, sign), filter, draw);
  }
}

bool tv_is_signed(TvOp op) { return op >= TvOp::shear_x && op <= TvOp::sharpness; }

double rand_augment_bin(TvOp op, int i, int n, Size picture) {
  switch (op) {
    case TvOp::shear_x:
    case TvOp::shear_y:
      return linear_bin(0, 0.3, i, n);
    case TvOp::translate_x:
      return linear_bin(0, 150.0 / 331.0 * picture.width, i, n);
    case TvOp::translate_y:
      return linear_bin(0, 150.0 / 331.0 * picture.height, i, n);
    case TvOp::rotate:
      return linear_bin(0, 30, i, n);
    case TvOp::brightness:
    case TvOp::color:
    case TvOp::contrast:
    case TvOp::sharpness:
      return linear_bin(0, 0.9, i, n);
    case TvOp::posterize:
      return posterize_bits(i, n, 4);
    case TvOp::solarize:
      return linear_bin(255, 0, i, n);
    default:
      return 0;
  }
}

double trivial_augment_bin(TvOp op, int i, int n) {
  switch (op) {
    case TvOp::translate_x:
    case TvOp::translate_y:
      return linear_bin(0, 32, i, n);
    case TvOp::rotate:
      return linear_bin(0, 135, i, n);
    case TvOp::posterize:
      return posterize_bits(i, n, 6);
    case TvOp::solarize:
      return linear_bin(255, 0, i, n);
    case TvOp::identity:
    case TvOp::auto_contrast:
    case TvOp::equalize:
    case TvOp::invert:
      return 0;
    default:
      return linear_bin(0, 0.99, i, n);
  }
}

void draw_rand_augment(const RandAugment& op, RandomSource& random, DrawBuilder& draw) {
  for (int i = 0; i < op.num_ops; ++i) {
    const auto kind = static_cast<TvOp>(random.below(kTvOps));
    double m = rand_augment_bin(kind, op.magnitude, op.bins, draw.size());
    if (tv_is_signed(kind) && random.below(2) == 1) m = -m;
    add_torchvision(kind, m, op.filter, draw);
  }
}

void draw_trivial_augment(const TrivialAugmentWide& op, RandomSource& random, DrawBuilder& draw) {
  const auto kind = static_cast<TvOp>(random.below(kTvOps));
  const bool constant = kind == TvOp::identity || kind == TvOp::auto_contrast || kind == TvOp::equalize;
  double m = constant ? 0 : trivial_augment_bin(kind, static_cast<int>(random.below(static_cast<std::uint64_t>(op.bins))), op.bins);
  if (tv_is_signed(kind) && random.below(2) == 1) m = -m;
  add_torchvision(kind, m, op.filter, draw);
}

void draw_auto_augment(const AutoAugment& op, RandomSource& random, DrawBuilder& draw) {
  const AutoAugmentPolicy& policy = auto_augment_policy(op.policy, static_cast<int>(random.below(kAutoAugmentPolicies)));
  const double gates[2] = {random.uniform(), random.uniform()};
  const bool negative[2] = {random.below(2) == 0, random.below(2) == 0};
  for (std::size_t i = 0; i < 2; ++i) {
    const AutoAugmentStep& step = policy[i];
    if (gates[i] > step.probability) continue;
    const double m = rand_augment_bin(step.op, step.bin, 10, draw.size());
    add_torchvision(step.op, tv_is_signed(step.op) && negative[i] ? -m : m, op.filter, draw);
  }
}

void draw_erasing(const RandomErasing& op, RandomSource& random, DrawBuilder& draw) {
  const double gate = random.uniform();
  if (op.timm ? gate > op.p : gate >= op.p) return;
  const int count = op.max_count == 1 ? 1 : 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(op.max_count)));
  int number = 0;
  for (int i = 0; i < count; ++i) {
    const Roi box = draw_erase_box(op.area, op.aspect, count, draw.size(), random);
    if (box.width > 0 && box.height > 0) draw.add(Drawn::erase, box.left, box.top, box.width, box.height, number++);
  }
}

void draw_color_jitter(const ColorJitter& op, RandomSource& random, DrawBuilder& draw) {
  std::array<int, 4> order{0, 1, 2, 3};
  for (std::size_t i = 3; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  const std::optional<Range>* ranges[4] = {&op.brightness, &op.contrast, &op.saturation, &op.hue};
  std::array<double, 4> factors{};
  for (std::size_t i = 0; i < 4; ++i)
    if (*ranges[i]) factors[i] = random.uniform((**ranges[i])[0], (**ranges[i])[1]);
  constexpr Drawn kinds[4] = {Drawn::brightness, Drawn::contrast, Drawn::color, Drawn::hue};
  for (const int i : order)
    if (*ranges[i]) draw.add(kinds[i], factors[static_cast<std::size_t>(i)]);
}

}  // namespace millrace::augment
