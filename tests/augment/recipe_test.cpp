// What a recipe promises besides its pixels: formats, misuse told clearly, draws that repeat, captions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "augment/crop.h"
#include "augment/dispatch.h"
#include "augment/drawn.h"
#include "augment/ops.h"
#include "augment/resize.h"
#include "augment/timm.h"
#include "pipeline/error.h"

namespace millrace::augment {
namespace {

using testing::HasSubstr;

const RecipeOptions kVarying{.channels = 3};
const RecipeOptions kDigits{.channels = 1, .input = {28, 28}};

std::string error_of(std::vector<Operation> operations, const RecipeOptions& options) {
  try {
    compile(std::move(operations), options);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.what();
  }
  return "no error";
}

TEST(Recipe, NormalisesToTheDefinitionOnEveryLevel) {
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
    if (!supports(level)) continue;
    const ForcedLevel forced(level);
    for (const auto& [mean, std] :
         {std::pair{0.1307, 0.3081}, {0.485, 0.229}, {0.456, 0.224}, {0.406, 0.225}, {0.5, 0.5}, {0.2860, 0.3530}, {0.0, 1.0}}) {
      const auto recipe = compile({Normalize{{mean}, {std}}}, kDigits);
      std::vector<std::uint8_t> pixels(784);
      for (std::size_t i = 0; i < 784; ++i) pixels[i] = static_cast<std::uint8_t>(i);
      std::vector<float> row(784);
      Scratch scratch;
      const auto draw = recipe->draw({{28, 28}, 1}, {});
      ASSERT_TRUE(draw && recipe->apply(*draw, {{28, 28}, 1}, {pixels.data(), 28, 28, 1, 28}, row.data(), scratch));
      for (std::size_t i = 0; i < 784; ++i)
        ASSERT_EQ(row[i], (static_cast<float>(pixels[i]) / 255.0f - static_cast<float>(mean)) / static_cast<float>(std));
    }
  }
}

TEST(Recipe, MisuseIsToldWithTheOperation) {
  EXPECT_THAT(error_of({RandomHorizontalFlip{}}, kVarying), HasSubstr("no operation fixes"));
  EXPECT_THAT(error_of({RandomCrop{.size = {40, 40}, .padding = 2}}, kDigits), HasSubstr("augment[0] RandomCrop: size 40 x 40 exceeds"));
  EXPECT_THAT(error_of({Normalize{{0.5}, {0.5}}, RandomHorizontalFlip{}}, kDigits),
              HasSubstr("augment[1] RandomHorizontalFlip: comes after Normalize"));
  EXPECT_THAT(error_of({Normalize{{0.5}, {0}}}, kDigits), HasSubstr("std must be positive"));
  EXPECT_THAT(error_of({Normalize{{0.5, 0.5}, {1, 1}}}, kDigits), HasSubstr("take 1 or 1 values"));
  EXPECT_THAT(error_of({RandomHorizontalFlip{1.5}}, kDigits), HasSubstr("not within 0 .. 1"));
  EXPECT_THAT(error_of({RandomAffine{.degrees = {3, -3}}}, kDigits), HasSubstr("degrees"));
  EXPECT_THAT(error_of({RandomAffine{.shear = {1, 2, 3}}}, kDigits), HasSubstr("shear takes"));
  EXPECT_THAT(error_of({TimmRandAugment{.config = "rand-m9.5"}}, kDigits),
              HasSubstr("augment[0] TimmRandAugment: RandAugment string 'rand-m9.5', token 'm9.5'"));
  EXPECT_THAT(error_of({TimmRandAugment{.config = "rand-n17"}}, kDigits), HasSubstr("the limit is 16"));
  EXPECT_THAT(error_of({RandAugment{.magnitude = 31}}, kDigits), HasSubstr("not one of 31 bins"));
  const RecipeOptions bytes{.channels = 1, .input = {28, 28}, .dtype = Dtype::u8};
  EXPECT_THAT(error_of({Normalize{{0.5}, {0.5}}}, bytes), HasSubstr("needs data.dtype = f32"));
  EXPECT_THAT(error_of({RandomErasing{}, Normalize{{0.5}, {0.5}}}, kDigits), HasSubstr("must be last"));
}

TEST(Recipe, PicturesThatDoNotFitAreFaults) {
  const auto digits = compile({}, kDigits);
  EXPECT_FALSE(digits->draw({{27, 28}, 1}, {}));
  EXPECT_FALSE(digits->draw({{28, 28}, 3}, {}));
  const auto crop = compile({RandomCrop{.size = {32, 32}}}, kVarying);
  const auto refused = crop->draw({{31, 40}, 3}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("a crop of 32 x 32 exceeds the picture of 31 x 40"));
  Scratch scratch;
  std::uint8_t row[28 * 28 * 4];
  EXPECT_FALSE(digits->apply(*digits->draw({{28, 28}, 1}, {}), {{28, 28}, 1}, {row, 20, 28, 1, 28}, row, scratch));
}

TEST(Recipe, DrawsDependOnKeyAndSizeOnly) {
  const auto recipe = compile(timm_train({}), kVarying);
  const RngKey key{.seed = 1, .epoch = 2, .sample = 3};
  const auto a = recipe->draw({{500, 375}, 3}, key), b = recipe->draw({{500, 375}, 3}, key);
  EXPECT_EQ(recipe->describe(*a), recipe->describe(*b));
  EXPECT_NE(recipe->describe(*a), recipe->describe(*recipe->draw({{500, 375}, 3}, {.seed = 1, .epoch = 2, .sample = 4})));
  EXPECT_NE(recipe->describe(*a), recipe->describe(*recipe->draw({{500, 375}, 3}, {.seed = 1, .epoch = 3, .sample = 3})));
}

TEST(Recipe, CaptionsSayAllOfAnAffineDraw) {
  const auto caption = [](const RandomAffine& op) {
    const auto recipe = compile({op}, kDigits);
    return recipe->describe(*recipe->draw({{28, 28}, 1}, {.seed = 1, .sample = 2}));
  };
  EXPECT_THAT(caption({.degrees = {10, 10}}), testing::EndsWith("affine 10.0 degrees"));
  EXPECT_THAT(caption({.degrees = {10, 10}, .scale = Range{1.25, 1.25}, .shear = {5, 5}}), testing::EndsWith("affine 10.0 degrees, scale 1.25, shear 5.0 degrees"));
  EXPECT_THAT(caption({.degrees = {0, 0}, .shear = {5, 5, -3, -3}}), testing::EndsWith("affine 0.0 degrees, shear 5.0 degrees and -3.0"));
  const std::string moved = caption({.degrees = {0, 0}, .translate = Range{0.3, 0.3}});
  int x = 0, y = 0;
  const std::size_t at = moved.find("translation ");
  ASSERT_NE(at, std::string::npos) << moved;
  ASSERT_EQ(std::sscanf(moved.c_str() + at, "translation %d%d", &x, &y), 2) << moved;
  EXPECT_TRUE(std::abs(x) <= 8 && std::abs(y) <= 8 && (x || y)) << moved;
}

/// What timm and torchvision score: the resized picture would be 256 x 102,400, its centre is wanted.
TEST(Recipe, EvaluationComputesOnlyTheCentreOfAThinPicture) {
  const std::vector<Operation> evaluation{Resize{.shorter = 256, .filter = Filter::bicubic}, CenterCrop{.size = {224, 224}}};
  const auto recipe = compile(evaluation, {.channels = 3, .dtype = Dtype::u8, .layout = Layout::nhwc});
  for (const Size size : {Size{1, 400}, Size{400, 1}, Size{2, 3000}, Size{1, 300'000}}) {
    std::vector<std::uint8_t> picture(static_cast<std::size_t>(size.width * size.height) * 3), row(224 * 224 * 3);
    for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<std::uint8_t>(i / 3 * 7 + i % 3 * 50);
    const ImageInfo info{size, 3};
    const ImageView view{picture.data(), size.width, size.height, 3, size.width * 3};
    const auto draw = recipe->draw(info, {});
    ASSERT_TRUE(draw) << draw.error().detail;
    Scratch scratch;
    ASSERT_TRUE(recipe->apply(*draw, info, view, row.data(), scratch));
    std::size_t bytes = 0;
    for (const Buffer& buffer : scratch.buffers) bytes += buffer.capacity_bytes();
    EXPECT_LT(bytes, std::size_t{8} << 20);
    if (size.width * size.height > 10'000) continue;
    // The definition: resized whole, then cropped.
    const Size whole = size_for_shorter_side(size, 256);
    std::vector<std::uint8_t> resized(static_cast<std::size_t>(whole.width) * static_cast<std::size_t>(whole.height) * 3);
    const MutableImageView out{resized.data(), whole.width, whole.height, 3, whole.width * 3};
    resize(view, {.filter = Filter::bicubic}, out, scratch);
    const ImageView centre = ImageView(out).crop(center_crop_window(whole, {224, 224}));
    for (int y = 0; y < 224; ++y) ASSERT_EQ(std::memcmp(centre.row(y), row.data() + y * 224 * 3, 224 * 3), 0) << size.width << " x " << size.height << ", row " << y;
  }
}

TEST(Recipe, ATooLargePictureThatWouldBeComputedWholeIsRefused) {
  const auto refused = [](Operation between, Filter filter) {
    const auto recipe = compile({Resize{.shorter = 256, .filter = filter}, between, CenterCrop{.size = {224, 224}}}, kVarying);
    return !recipe->draw({{1, 400}, 3}, {});
  };
  EXPECT_FALSE(refused(RandomHorizontalFlip{}, Filter::bilinear)) << "a flip is part of the pass";
  EXPECT_TRUE(refused(ColorJitter{.brightness = Range{2, 2}}, Filter::bilinear));
  EXPECT_TRUE(refused(RandomHorizontalFlip{}, Filter::nearest));
}

TEST(Recipe, AnOperationsDrawsDoNotShiftAnothers) {
  const RngKey key{.seed = 9, .sample = 77};
  const auto alone = compile({RandomResizedCrop{.size = {64, 64}}, RandomHorizontalFlip{}}, kVarying)->draw({{500, 375}, 3}, key);
  const auto followed =
      compile({RandomResizedCrop{.size = {64, 64}}, RandomHorizontalFlip{}, ColorJitter{.brightness = Range{.5, 1.5}}}, kVarying)
          ->draw({{500, 375}, 3}, key);
  EXPECT_EQ(alone->framing.roi, followed->framing.roi);
  EXPECT_EQ(alone->framing.flip_horizontal, followed->framing.flip_horizontal);
}

TEST(Recipe, CaptionsSayWhatWasDone) {
  Draw draw;
  DrawBuilder builder(draw, {500, 375});
  builder.crop({12, 40, 280, 270}, PadMode::constant, {});
  builder.resize({224, 224}, Filter::bicubic, true);
  builder.flip_horizontal();
  builder.rotate(12.5, Filter::bilinear);
  builder.add(Drawn::posterize, 4);
  EXPECT_EQ(compile({}, kDigits)->describe(draw), "crop 280x270+12+40 to 224x224 bicubic, flip, rotate 12.5, posterize 4");
}

TEST(Recipe, ErasingOverwritesItsBoxWithNoiseOfItsOwn) {
  const RandomErasing op{.p = 1, .value = RandomErasing::Value::per_pixel, .max_count = 2};
  std::vector<float> planar(3 * 32 * 32), interleaved(3 * 32 * 32);
  std::vector<std::uint8_t> pixels(3 * 32 * 32, 128);
  Scratch scratch;
  const ImageInfo info{{32, 32}, 3};
  const ImageView view{pixels.data(), 32, 32, 3, 96};
  for (const auto& [layout, row] : {std::pair{Layout::nchw, &planar}, {Layout::nhwc, &interleaved}}) {
    const auto recipe = compile({op}, {.input = {32, 32}, .layout = layout});
    const auto draw = recipe->draw(info, {.seed = 4});
    ASSERT_TRUE(recipe->apply(*draw, info, view, row->data(), scratch));
    ASSERT_GE(draw->count, 1);
  }
  int changed = 0;
  for (std::size_t i = 0; i < 1024; ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(planar[c * 1024 + i], interleaved[3 * i + c]);  // The layout does not change what is drawn.
      changed += planar[c * 1024 + i] != 128.0f / 255.0f;
    }
  EXPECT_GT(changed, 3 * 15);
}

TEST(Recipe, U8RowsAndWhatTheyLeaveToTheDeviceAreTheF32Rows) {
  std::vector<std::uint8_t> pixels(3 * 32 * 32);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
  const ImageInfo info{{32, 32}, 3};
  const ImageView view{pixels.data(), 32, 32, 3, 96};
  Scratch scratch;
  int boxes = 0;
  for (const auto value : {RandomErasing::Value::constant, RandomErasing::Value::per_channel, RandomErasing::Value::per_pixel})
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const std::vector<Operation> list{RandomHorizontalFlip{0.5}, RandomErasing{.p = 0.7, .value = value, .max_count = 3}};
      const auto floats = compile(list, {.input = {32, 32}}), bytes = compile(list, {.input = {32, 32}, .dtype = Dtype::u8});
      std::vector<float> expected(3 * 32 * 32), row(expected.size());
      std::vector<std::uint8_t> levels(expected.size());
      ASSERT_TRUE(floats->apply(*floats->draw(info, {.seed = seed}), info, view, expected.data(), scratch));
      const auto draw = bytes->draw(info, {.seed = seed});
      ASSERT_TRUE(bytes->apply(*draw, info, view, levels.data(), scratch));
      Erasures left;
      bytes->erasures(*draw, left);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(levels[i]) / 255.0f;
      for (const Erasures::Box& box : left.boxes) {
        ++boxes;
        std::size_t next = 0;
        for (int c = 0; c < 3; ++c)
          for (int y = box.roi.top; y < box.roi.top + box.roi.height; ++y)
            for (int x = box.roi.left; x < box.roi.left + box.roi.width; ++x, ++next)
              row[static_cast<std::size_t>((c * 32 + y) * 32 + x)] =
                  box.count == 0 ? 0.0f : left.values[box.first + (box.count == 3 ? static_cast<std::size_t>(c) : next)];
      }
      EXPECT_EQ(row, expected) << seed;
    }
  EXPECT_GT(boxes, 30);
}

TEST(TimmRecipes, JitterGivesWayToRandAugmentUnlessForced) {
  const auto holds_jitter = [](const TimmTrainOptions& o) {
    for (const Operation& op : timm_train(o))
      if (std::holds_alternative<ColorJitter>(op)) return true;
    return false;
  };
  EXPECT_FALSE(holds_jitter({}));
  EXPECT_TRUE(holds_jitter({.auto_augment = ""}));
  EXPECT_TRUE(holds_jitter({.auto_augment = "rand-t3a"}));
  EXPECT_TRUE(holds_jitter({.force_color_jitter = true}));
}

TEST(TimmRecipes, EvaluationScalesByTheCropShare) {
  const auto size_of = [](const TimmEvalOptions& o) { return std::get<Resize>(timm_eval(o)[0]); };
  EXPECT_EQ(size_of({}).shorter, 256);
  EXPECT_EQ(size_of({.size = {32, 32}}).shorter, 36);
  EXPECT_EQ(size_of({.size = {224, 160}}).fit, Resize::Fit::cover);
  EXPECT_EQ(std::get<CenterCrop>(timm_eval({.crop_mode = TimmCropMode::border})[1]).fill, timm_fill(kImagenetMean));
  EXPECT_TRUE(std::holds_alternative<Normalize>(timm_eval({.small_images = true})[0]));
}

}  // namespace
}  // namespace millrace::augment
