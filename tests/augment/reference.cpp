#include "reference.h"

namespace millrace::test {

using namespace augment;

namespace {

template <class F>
Picture result_of(Size size, const Picture& in, F&& function) {
  Picture out(size, in.channels);
  function(in.view(), out.edit());
  return out;
}

Picture resized(const Picture& in, Size size, const ResizeOptions& options) {
  Scratch scratch;
  return result_of(size, in, [&](ImageView a, MutableImageView b) { resize(a, options, b, scratch); });
}

Picture one(const DrawnOp& op, const Picture& in, PassOrder pass_order, const Fill& fill) {
  const auto& p = op.parameters;
  const auto factor = static_cast<float>(p[0]);
  const auto same = [&](auto&& function) { return result_of(in.size, in, function); };
  Buffer buffer;
  switch (kind_of(op)) {
    case Drawn::turn:
      return same([&](ImageView a, MutableImageView b) { turn(a, static_cast<int>(p[0]), b); });
    case Drawn::flip_horizontal:
      return same([](ImageView a, MutableImageView b) { flip_horizontal(a, b); });
    case Drawn::flip_vertical:
      return same([](ImageView a, MutableImageView b) { flip_vertical(a, b); });
    case Drawn::crop:
      return result_of({static_cast<int>(p[2]), static_cast<int>(p[3])}, in, [&](ImageView a, MutableImageView b) {
        crop(a, static_cast<int>(p[0]), static_cast<int>(p[1]), static_cast<PadMode>(detail_of(op)), fill, b);
      });
    case Drawn::resize:
      return resized(in, {static_cast<int>(p[0]), static_cast<int>(p[1])},
                     {static_cast<Filter>(detail_of(op) & 127), (detail_of(op) & 128) == 0, pass_order});
    case Drawn::invert:
      return same([](ImageView a, MutableImageView b) { invert(a, b); });
    case Drawn::auto_contrast:
      return same([](ImageView a, MutableImageView b) { autocontrast(a, b); });
    case Drawn::equalize:
      return same([](ImageView a, MutableImageView b) { equalize(a, b); });
    case Drawn::solarize:
      return same([&](ImageView a, MutableImageView b) { solarize(a, p[0], b); });
    case Drawn::solarize_add:
      return same([&](ImageView a, MutableImageView b) { solarize_add(a, static_cast<int>(p[0]), 128, b); });
    case Drawn::posterize:
      return same([&](ImageView a, MutableImageView b) { posterize(a, static_cast<int>(p[0]), b); });
    case Drawn::brightness:
      return same([&](ImageView a, MutableImageView b) { brightness(a, factor, b); });
    case Drawn::contrast:
      return same([&](ImageView a, MutableImageView b) { contrast(a, factor, b); });
    case Drawn::color:
      return same([&](ImageView a, MutableImageView b) { color(a, factor, b); });
    case Drawn::sharpness:
      return same([&](ImageView a, MutableImageView b) { sharpness(a, factor, b); });
    case Drawn::hue:
      return same([&](ImageView a, MutableImageView b) { hue(a, p[0], b); });
    case Drawn::grayscale:
      return same([](ImageView a, MutableImageView b) { grayscale(a, b); });
    case Drawn::blur:
      return same([&](ImageView a, MutableImageView b) { gaussian_blur(a, p[0], b, buffer); });
    case Drawn::erase:
      return in;
    case Drawn::affine:
      return same([&](ImageView a, MutableImageView b) {
        affine(a, torchvision_map(affine_of(op), in.size.width * 0.5, in.size.height * 0.5), static_cast<Filter>(detail_of(op)), fill, b, buffer);
      });
    default:
      return same([&](ImageView a, MutableImageView b) { affine(a, p, static_cast<Filter>(detail_of(op)), fill, b, buffer); });
  }
}

}  // namespace

Picture make_picture(Size size, int channels, std::uint64_t seed) {
  Picture p(size, channels);
  Rng rng({.seed = seed});
  for (std::size_t i = 0; i < p.pixels.size(); ++i)
    p.pixels[i] = static_cast<std::uint8_t>((i * 2 / 3 + i % 3 * 60 + rng.next32() % 60) % 256);
  return p;
}

Picture reference_result(const Draw& draw, const Picture& source, PassOrder pass_order, const Fill& fill) {
  const Framing& f = draw.framing;
  Picture p = result_of(f.roi.size(), source,
                        [&](ImageView a, MutableImageView b) { crop(a, f.roi.left, f.roi.top, PadMode::constant, f.fill, b); });
  if (!(f.target == p.size)) p = resized(p, f.target, {f.filter, f.antialias, pass_order});
  if (f.flip_horizontal) p = result_of(p.size, p, [](ImageView a, MutableImageView b) { flip_horizontal(a, b); });
  if (f.flip_vertical) p = result_of(p.size, p, [](ImageView a, MutableImageView b) { flip_vertical(a, b); });
  for (int i = 0; i < draw.count; ++i) p = one(draw.ops[static_cast<std::size_t>(i)], p, pass_order, fill);
  return p;
}

}  // namespace millrace::test
