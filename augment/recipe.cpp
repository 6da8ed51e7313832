#include <algorithm>
#include <cstring>
#include <optional>

#include "augment/apply.h"
#include "augment/compiled.h"
#include "augment/crop.h"
#include "augment/describe.h"
#include "augment/draws.h"
#include "augment/erase.h"
#include "augment/policies.h"

namespace millrace::augment {
namespace {

constexpr int kFirstNoiseSlot = 128;  // Recipes have at most 100 slots.
constexpr int kLargestSide = 1 << 15;

bool is_oversize(Size s) { return s.width > kLargestSide || s.height > kLargestSide; }

std::string text(Size s) { return std::to_string(s.width) + " x " + std::to_string(s.height); }

tl::unexpected<Fault> unfit(const std::string& detail) {
  return tl::make_unexpected(Fault{.kind = FaultKind::unsupported, .detail = detail});
}

// Draws one operation after the other, each from a random stream of its own.
class Drawer {
 public:
  Drawer(Draw& draw, Size picture, const RngKey& key, const Compiled& compiled) : builder_(draw, picture), key_(key), compiled_(compiled) {}

  bool run() {
    for (std::size_t i = 0; i < compiled_.operations.size() && fits_; ++i) {
      slot_ = static_cast<std::uint8_t>(i);
      builder_.set_slot(slot_);
      std::visit([this](const auto& op) { draw(op); }, compiled_.operations[i]);
    }
    return fits_;
  }
  const std::string& misfit() const { return misfit_; }
  /// A resize to more than is ever computed whole: what follows it has to say which part is wanted.
  const std::optional<Size>& oversize() const { return oversize_; }
  Size size() const { return builder_.size(); }

 private:
  Rng random() const { return Rng(key_.with_slot(slot_)); }
  void refuse(std::string why) {
    fits_ = false;
    misfit_ = std::move(why);
  }

  void draw(const RandomAffine& op) {
    Rng rng = random();
    builder_.affine(draw_affine(op, builder_.size(), rng), op.filter);
  }
  void draw(const RandomRotation& op) {
    Rng rng = random();
    builder_.rotate(rng.uniform(op.degrees[0], op.degrees[1]), op.filter);
  }
  void draw(const Resize& op) {
    const Size size = builder_.size();
    const Size wanted = op.shorter > 0                   ? size_for_shorter_side(size, op.shorter)
                        : op.fit == Resize::Fit::stretch ? op.size
                                                         : size_for_fit(size, op.size, op.fit == Resize::Fit::cover);
    if (is_oversize(wanted)) oversize_ = wanted;
    builder_.resize(wanted, op.filter, op.antialias);
  }
  void draw(const CenterCrop& op) { builder_.crop(center_crop_window(builder_.size(), op.size), PadMode::constant, op.fill); }
  void draw(const RandomCrop& op) {
    const Size size = builder_.size();
    if (size.width + 2 * op.padding < op.size.width || size.height + 2 * op.padding < op.size.height)
      return refuse("a crop of " + text(op.size) + " exceeds the picture of " + text(size) + " with padding " + std::to_string(op.padding));
    Rng rng = random();
    builder_.crop(draw_crop(size, op.padding, op.size, rng), op.pad_mode, op.fill);
  }
  void draw(const RandomResizedCrop& op) {
    Rng rng = random();
    const Roi roi = draw_resized_crop(op.scale, op.ratio, builder_.size(), rng).roi;
    Filter filter = op.filter;
    if (op.random_filter) filter = rng.below(2) == 0 ? Filter::bilinear : Filter::bicubic;
    builder_.crop(roi, PadMode::constant, {});
    builder_.resize(op.size, filter, op.antialias);
  }
  void draw(const RandomHorizontalFlip& op) {
    if (random().uniform() < op.p) builder_.flip_horizontal();
  }
  void draw(const RandomVerticalFlip& op) {
    if (random().uniform() < op.p) builder_.flip_vertical();
  }
  void draw(const TimmRandAugment& op) {
    Rng rng = random();
    draw_timm(compiled_.timm[slot_], op, rng, builder_);
  }
  void draw(const RandAugment& op) {
    Rng rng = random();
    draw_rand_augment(op, rng, builder_);
  }
  void draw(const TrivialAugmentWide& op) {
    Rng rng = random();
    draw_trivial_augment(op, rng, builder_);
  }
  void draw(const AutoAugment& op) {
    Rng rng = random();
    draw_auto_augment(op, rng, builder_);
  }
  void draw(const ColorJitter& op) {
    Rng rng = random();
    draw_color_jitter(op, rng, builder_);
  }
  void draw(const RandomGrayscale& op) {
    if (random().uniform() < op.p) builder_.add(Drawn::grayscale);
  }
  void draw(const RandomErasing& op) {
    Rng rng = random();
    draw_erasing(op, rng, builder_);
  }
  void draw(const Normalize&) {}  // Part of the last pass, not drawn.

  DrawBuilder builder_;
  const RngKey& key_;
  const Compiled& compiled_;
  std::uint8_t slot_ = 0;
  bool fits_ = true;
  std::string misfit_;
  std::optional<Size> oversize_;
};

/// Whether applying a draw makes no picture that is too large. Of a resize that is cropped right away only the crop is computed, as
/// evaluation recipes ask of a picture of 1 x 400; nearest resizes are computed whole.
bool is_computable(const Draw& draw, PassOrder pass_order) {
  const FramingPlan plan = plan_framing(draw, pass_order);
  const bool by_window = plan.resizes && draw.framing.filter != Filter::nearest;
  if (is_oversize(by_window ? plan.pass.window.size() : draw.framing.target)) return false;
  return std::none_of(draw.ops.begin() + plan.done, draw.ops.begin() + draw.count, [](const DrawnOp& op) {
    return kind_of(op) == Drawn::resize && is_oversize({static_cast<int>(op.parameters[0]), static_cast<int>(op.parameters[1])});
  });
}

class CompiledRecipe final : public Recipe {
 public:
  explicit CompiledRecipe(Compiled compiled) : c_(std::move(compiled)) {}

  const RowFormat& format() const override { return c_.format; }

  Expected<Draw> draw(const ImageInfo& image, const RngKey& key) const override {
    Expected<Draw> result;  // Filled in place: a Draw is too large to move for every sample.
    if (image.channels != c_.format.channels)
      return unfit("the picture has " + std::to_string(image.channels) + " channel(s), the recipe is for " +
                   std::to_string(c_.format.channels));
    if (image.size.width < 1 || image.size.height < 1) return unfit("the picture is " + text(image.size));
    if (c_.options.input.width > 0 && !(image.size == c_.options.input))
      return unfit("the picture is " + text(image.size) + ", the recipe is for " + text(c_.options.input));
    result->key = key;
    Drawer drawer(*result, image.size, key, c_);
    if (!drawer.run()) return unfit(drawer.misfit());
    if (drawer.oversize() && !is_computable(*result, c_.options.pass_order))
      return unfit("a picture of " + text(image.size) + " would become " + text(*drawer.oversize()));
    if (!(drawer.size() == Size{c_.format.width, c_.format.height}))
      return unfit("the picture becomes " + text(drawer.size()) + " instead of " + text({c_.format.width, c_.format.height}));
    return result;
  }

  Expected<void> apply(const Draw& draw, const ImageInfo& image, ImageView visible, void* row, Scratch& scratch) const override {
    const Roi& roi = draw.framing.roi;
    const int left = std::max(0, roi.left), top = std::max(0, roi.top);
    const int right = std::min(image.size.width, roi.left + roi.width), bottom = std::min(image.size.height, roi.top + roi.height);
    if (visible.channels != c_.format.channels || visible.width != std::max(0, right - left) || visible.height != std::max(0, bottom - top))
      return unfit("decoded pixels of " + text(visible.size()) + " do not belong to the drawn region");
    const bool bytes = c_.format.dtype == Dtype::u8 && c_.format.layout == Layout::nhwc;
    Canvas canvas(visible, scratch, bytes ? static_cast<std::uint8_t*>(row) : nullptr);
    const ApplyContext context{c_.options.pass_order, c_.fills.data()};

    const FramingPlan plan = plan_framing(draw, c_.options.pass_order);
    int last_move = -1, last_pixels = -1;  // The last operation that needs a tile; the last one that is not erasing.
    for (int i = plan.done; i < draw.count; ++i) {
      const DrawnOp& op = draw.ops[static_cast<std::size_t>(i)];
      if (needs_tile(op)) last_move = i;
      if (kind_of(op) != Drawn::erase) last_pixels = i;
    }
    if (plan.resizes && last_pixels < 0 && c_.format.dtype == Dtype::f32) {
      pad_to_roi(draw.framing, false, canvas);
      resize(canvas.view(), plan.pass, c_.normalizer, c_.format.layout, static_cast<float*>(row), scratch);
    } else {
      apply_framing(draw, plan, last_move >= 0, canvas);
      for (int i = plan.done; i < draw.count; ++i) apply_operation(draw.ops[static_cast<std::size_t>(i)], context, last_move > i, canvas);
      write(canvas, row);
    }
    if (last_pixels != draw.count - 1 && c_.format.dtype == Dtype::f32) erase_boxes(draw, static_cast<float*>(row));
    return {};
  }

  void erasures(const Draw& draw, Erasures& into) const override {
    for_each_box(draw, [&](const Roi& box, RandomErasing::Value value, Rng& noise) {
      const std::size_t first = into.values.size();
      erased_values(c_.format.channels, box, value, noise, into.values);
      into.boxes.push_back({0, box, first, into.values.size() - first});
    });
  }

  std::string describe(const Draw& draw) const override { return augment::describe(draw); }

 private:
  // Noise comes from streams of its own, one for each erasing operation of the list.
  template <class Erase>
  void for_each_box(const Draw& draw, Erase&& erase_one) const {
    std::optional<Rng> noise;
    for (int i = 0; i < draw.count; ++i) {
      const DrawnOp& op = draw.ops[static_cast<std::size_t>(i)];
      if (kind_of(op) != Drawn::erase) continue;
      if (op.parameters[4] == 0) noise.emplace(draw.key.with_slot(static_cast<std::uint8_t>(kFirstNoiseSlot + op.slot)));
      const auto& p = op.parameters;
      const Roi box{static_cast<int>(p[0]), static_cast<int>(p[1]), static_cast<int>(p[2]), static_cast<int>(p[3])};
      erase_one(box, std::get<RandomErasing>(c_.operations[op.slot]).value, *noise);
    }
  }
  void erase_boxes(const Draw& draw, float* row) const {
    for_each_box(draw, [&](const Roi& box, RandomErasing::Value value, Rng& noise) { erase(row, c_.format, box, value, noise); });
  }

  // The last pass: pending tables and the normalisation in one lookup.
  void write(Canvas& canvas, void* row) const {
    if (c_.format.dtype == Dtype::f32) {
      auto* to = static_cast<float*>(row);
      if (canvas.has_tables())
        normalize(canvas.view(), compose(c_.normalizer, canvas.tables()), c_.format.layout, to);
      else
        normalize(canvas.view(), c_.normalizer, c_.format.layout, to);
      return;
    }
    canvas.settle(true);
    const ImageView view = canvas.view();
    auto* to = static_cast<std::uint8_t*>(row);
    const auto width = static_cast<std::size_t>(view.width), pixels = width * static_cast<std::size_t>(view.height);
    if (view.data == to) return;
    for (int y = 0; y < view.height; ++y) {
      const std::size_t at = static_cast<std::size_t>(y) * width;
      if (view.channels == 3 && c_.format.layout == Layout::nchw)
        planes_from_rgb(view.row(y), width, to + at, to + pixels + at, to + 2 * pixels + at);
      else
        std::memcpy(to + at * static_cast<std::size_t>(view.channels), view.row(y), width * static_cast<std::size_t>(view.channels));
    }
  }

  Compiled c_;
};

}  // namespace

std::unique_ptr<Recipe> compile(std::vector<Operation> operations, const RecipeOptions& options) {
  return std::make_unique<CompiledRecipe>(check(std::move(operations), options));
}

}  // namespace millrace::augment
