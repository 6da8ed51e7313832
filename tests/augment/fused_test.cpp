// Whatever a recipe fuses, composes or vectorises: the row equals the operations carried out one by one at the scalar level.
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "augment/dispatch.h"
#include "augment/timm.h"
#include "reference.h"

namespace millrace::test {
namespace {

using namespace augment;

struct Named {
  const char* name;
  std::vector<Operation> operations;
  Fill fill{};
  PassOrder pass_order = PassOrder::horizontal_first;
};

constexpr Fill kFill{7, 130, 250};

std::vector<Named> recipes() {
  const Size s{40, 36};
  const Fill mean = timm_fill(kImagenetMean);
  const ColorJitter jitter{.brightness = Range{.4, 1.6}, .contrast = Range{.4, 1.6}, .saturation = Range{0, 2}, .hue = Range{-.5, .5}};
  const RandomResizedCrop bilinear{.size = s}, sampled{.size = s, .antialias = false};
  const RandomHorizontalFlip flip;
  const RandomVerticalFlip vertical;
  const RandomAffine affine{
      .degrees = {-180, 180}, .translate = {{.2, .2}}, .scale = Range{.5, 2}, .shear = {20}, .filter = Filter::bicubic, .fill = kFill};
  return {
      {"timm", timm_train({.size = s, .auto_augment = "rand-m9-n4-p1-mstd0.5-inc1", .random_filter = true, .normalize = false}), mean},
      {"timm 3a",
       timm_train({.size = s,
                   .vflip = .5,
                   .auto_augment = "rand-t3a-n3-p1",
                   .color_jitter = {.4, .4, .4, .1},
                   .grayscale_prob = .2,
                   .normalize = false}),
       mean},
      {"crop, flips", {bilinear, flip, vertical}},
      {"sampled crop, flips", {sampled, flip, vertical}},
      {"pillow 13", {RandomResizedCrop{.size = {40, 12}, .filter = Filter::bicubic}, flip}, {}, PassOrder::pillow13},
      {"shorter side, centre", {Resize{.shorter = 44, .filter = Filter::bicubic}, CenterCrop{s}, flip, vertical}},
      {"flips, resize, crop", {flip, vertical, Resize{.size = {50, 47}, .filter = Filter::lanczos}, RandomCrop{.size = s}, flip}},
      {"resize, flip, crop",
       {Resize{.size = {50, 47}, .filter = Filter::hamming}, flip, vertical, RandomCrop{.size = s, .padding = 2, .fill = kFill}},
       kFill},
      {"padded crop", {RandomCrop{.size = s, .padding = 20, .fill = kFill}, flip, vertical}, kFill},
      {"padded crop, resize", {RandomCrop{.size = {60, 60}, .padding = 30, .fill = kFill}, Resize{.size = s}, flip}, kFill},
      {"reflected crop", {RandomCrop{.size = s, .padding = 11, .pad_mode = PadMode::reflect}, vertical}},
      {"symmetric crop", {RandomCrop{.size = s, .padding = 30, .pad_mode = PadMode::symmetric}}},
      {"edge crop", {RandomCrop{.size = s, .padding = 50, .pad_mode = PadMode::edge}}},
      {"nearest", {RandomResizedCrop{.size = s, .filter = Filter::nearest}, flip, vertical}},
      {"box", {Resize{.size = s, .filter = Filter::box}}},
      {"affine", {bilinear, affine}, kFill},
      {"jitter", {RandomCrop{.size = s, .padding = 4}, jitter}},
      {"jitter, rotation, trivial",
       {bilinear, jitter, RandomRotation{.degrees = {-200, 200}, .fill = kFill},
        TrivialAugmentWide{.filter = Filter::bilinear, .fill = kFill}},
       kFill},
      {"torchvision", {bilinear, RandAugment{.num_ops = 5, .magnitude = 20, .fill = kFill}, AutoAugment{.fill = kFill}}, kFill},
      {"border", timm_eval({.size = s, .crop_mode = TimmCropMode::border, .normalize = false}), mean},
      {"squash", timm_eval({.size = s, .crop_mode = TimmCropMode::squash, .normalize = false}), mean},
  };
}

// One recipe, compiled for one format and run at one level.
class Runner {
 public:
  Runner(const Named& named, int channels, Dtype dtype, Layout layout)
      : recipe_(compile(named.operations, {.channels = channels, .dtype = dtype, .layout = layout, .pass_order = named.pass_order})) {}

  std::vector<std::uint8_t> row(const Picture& source, const Draw& draw) {
    const Roi& r = draw.framing.roi;
    const int left = std::max(0, r.left), top = std::max(0, r.top);
    const Roi inside{left, top, std::min(source.size.width, r.left + r.width) - left, std::min(source.size.height, r.top + r.height) - top};
    std::vector<std::uint8_t> bytes(recipe_->format().bytes() + 64, 0xA5);
    const auto done = recipe_->apply(draw, {source.size, source.channels}, source.view().crop(inside), bytes.data(), scratch_);
    EXPECT_TRUE(done.has_value());
    for (std::size_t i = recipe_->format().bytes(); i < bytes.size(); ++i) EXPECT_EQ(bytes[i], 0xA5) << "written beyond the row";
    bytes.resize(recipe_->format().bytes());
    return bytes;
  }
  const Recipe& recipe() const { return *recipe_; }

 private:
  std::unique_ptr<Recipe> recipe_;
  Scratch scratch_;
};

std::vector<std::uint8_t> in_format(const Picture& p, Dtype dtype, Layout layout) {
  const auto pixels = static_cast<std::size_t>(p.size.width * p.size.height), channels = static_cast<std::size_t>(p.channels);
  std::vector<std::uint8_t> bytes(p.pixels.size() * (dtype == Dtype::f32 ? 4 : 1));
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint8_t v = p.pixels[i * channels + c];
      const std::size_t at = layout == Layout::nhwc ? i * channels + c : c * pixels + i;
      const float f = static_cast<float>(v) / 255.0f;
      if (dtype == Dtype::f32)
        std::memcpy(&bytes[4 * at], &f, 4);
      else
        bytes[at] = v;
    }
  return bytes;
}

struct Case {
  std::size_t recipe;
  int channels;
};
class Fused : public testing::TestWithParam<Case> {};

TEST_P(Fused, EqualsOneOperationAfterTheOther) {
  const Named named = recipes()[GetParam().recipe];
  const int channels = GetParam().channels;
  for (const auto& [dtype, layout] :
       {std::pair{Dtype::u8, Layout::nhwc}, {Dtype::u8, Layout::nchw}, {Dtype::f32, Layout::nchw}, {Dtype::f32, Layout::nhwc}}) {
    Runner run(named, channels, dtype, layout);
    for (std::uint64_t sample = 0; sample < 12; ++sample) {
      const Size sizes[] = {{61, 47}, {97, 130}, {40, 36}, {300, 41}};
      const Picture source = make_picture(sizes[sample % 4], channels, sample);
      const auto draw = run.recipe().draw({source.size, channels}, {.seed = 5, .sample = sample});
      if (!draw) continue;  // A crop larger than this picture: refused, tested elsewhere.
      const ForcedLevel scalar(Level::scalar);
      const auto expected = in_format(reference_result(*draw, source, named.pass_order, named.fill), dtype, layout);
      for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
        if (!supports(level)) continue;
        const ForcedLevel forced(level);
        ASSERT_EQ(run.row(source, *draw), expected)
            << named.name << ", sample " << sample << ", " << name_of(level) << ": " << run.recipe().describe(*draw);
      }
    }
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> list;
  for (std::size_t i = 0; i < recipes().size(); ++i)
    for (const int channels : {1, 3}) list.push_back({i, channels});
  return list;
}
std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name = recipes()[info.param.recipe].name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name + (info.param.channels == 1 ? "_grey" : "_rgb");
}
INSTANTIATE_TEST_SUITE_P(Recipes, Fused, testing::ValuesIn(all_cases()), case_name);

}  // namespace
}  // namespace millrace::test
