#include "golden_ops.h"

#include <functional>
#include <set>

namespace millrace::test {
namespace {

using namespace augment;

struct Call {
  GoldenParameters& p;
  ImageView in;
  MutableImageView out;
  float* picture;
  Scratch& scratch;

  float factor() { return static_cast<float>(p.real("factor")); }
  Fill fill() {
    Fill f{};
    for (int c = 0; c < 3; ++c)
      if (const std::string key = std::string("fill").append(1, static_cast<char>('0' + c)); p.has(key))
        f[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(p.integer(key));
    return f;
  }
  void map(Filter filter) {
    AffineMap m;
    for (std::size_t i = 0; i < 6; ++i) m[i] = p.real({'a', static_cast<char>('0' + i)});
    affine(in, m, filter, fill(), out, scratch.buffers[0]);
  }
  void turn(Filter filter) { rotate(in, p.real("degrees"), filter, fill(), out, scratch.buffers[0]); }
  void torchvision(Filter filter) {
    const TorchvisionAffine t{p.real("angle"), p.real("tx"), p.real("ty"), p.real("scale"), p.real("shearx"), p.real("sheary")};
    affine(in, torchvision_map(t, in.width * 0.5, in.height * 0.5), filter, fill(), out, scratch.buffers[0]);
  }
  void framed(Filter filter) {
    const Roi roi{p.integer("left"), p.integer("top"), p.integer("w"), p.integer("h")};
    resized_crop(in, roi, {.filter = filter}, out, scratch);
  }
  void normalised() {
    std::vector<double> mean, std;
    for (int c = 0; c < in.channels; ++c) {
      mean.push_back(p.real("mean" + std::to_string(c)));
      std.push_back(p.real("std" + std::to_string(c)));
    }
    normalize(in, make_normalizer(in.channels, mean, std), Layout::nchw, picture);
  }
};

const std::map<std::string, std::function<void(Call&)>>& operations() {
  static const std::map<std::string, std::function<void(Call&)>> table{
      {"invert", [](Call& c) { invert(c.in, c.out); }},
      {"autocontrast", [](Call& c) { autocontrast(c.in, c.out); }},
      {"equalize", [](Call& c) { equalize(c.in, c.out); }},
      {"posterize", [](Call& c) { posterize(c.in, c.p.integer("bits"), c.out); }},
      {"solarize", [](Call& c) { solarize(c.in, c.p.real("threshold"), c.out); }},
      {"solarize_add", [](Call& c) { solarize_add(c.in, c.p.integer("add"), c.p.integer("threshold"), c.out); }},
      {"luma", [](Call& c) { luma(c.in, c.out); }},
      {"smooth", [](Call& c) { smooth(c.in, c.out); }},
      {"brightness", [](Call& c) { brightness(c.in, c.factor(), c.out); }},
      {"contrast", [](Call& c) { contrast(c.in, c.factor(), c.out); }},
      {"color", [](Call& c) { color(c.in, c.factor(), c.out); }},
      {"sharpness", [](Call& c) { sharpness(c.in, c.factor(), c.out); }},
      {"hue", [](Call& c) { hue(c.in, c.p.real("factor"), c.out); }},
      {"affine_nearest", [](Call& c) { c.map(Filter::nearest); }},
      {"affine_bilinear", [](Call& c) { c.map(Filter::bilinear); }},
      {"affine_bicubic", [](Call& c) { c.map(Filter::bicubic); }},
      {"rotate_nearest", [](Call& c) { c.turn(Filter::nearest); }},
      {"rotate_bilinear", [](Call& c) { c.turn(Filter::bilinear); }},
      {"rotate_bicubic", [](Call& c) { c.turn(Filter::bicubic); }},
      {"tv_affine_nearest", [](Call& c) { c.torchvision(Filter::nearest); }},
      {"tv_affine_bilinear", [](Call& c) { c.torchvision(Filter::bilinear); }},
      {"tv_affine_bicubic", [](Call& c) { c.torchvision(Filter::bicubic); }},
      {"resize_bilinear", [](Call& c) { resize(c.in, {.filter = Filter::bilinear}, c.out, c.scratch); }},
      {"resize_bicubic", [](Call& c) { resize(c.in, {.filter = Filter::bicubic}, c.out, c.scratch); }},
      {"resized_crop_bilinear", [](Call& c) { c.framed(Filter::bilinear); }},
      {"resized_crop_bicubic", [](Call& c) { c.framed(Filter::bicubic); }},
      {"center_crop", [](Call& c) { center_crop(c.in, c.out); }},
      {"pad4_crop32",
       [](Call& c) {
         const int pad = c.p.integer("pad");
         crop(c.in, c.p.integer("left") - pad, c.p.integer("top") - pad, PadMode::constant, {}, c.out);
       }},
      {"to_tensor_normalize_chw", [](Call& c) { c.normalised(); }},
  };
  return table;
}

}  // namespace

bool run_operation(const std::string& op, GoldenParameters& p, ImageView in, MutableImageView out, float* picture, Scratch& scratch) {
  const auto it = operations().find(op);
  if (it == operations().end()) return false;
  Call call{p, in, out, picture, scratch};
  it->second(call);
  return true;
}

bool in_place_allowed(const std::string& op) {
  static const std::set<std::string> allowed{"invert",       "autocontrast", "equalize", "posterize", "solarize",
                                             "solarize_add", "brightness",   "contrast", "color",     "hue"};
  return allowed.count(op) > 0;
}

}  // namespace millrace::test
