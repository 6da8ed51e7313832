#include <cmath>
#include <sstream>
#include <type_traits>

#include "augment/compiled.h"
#include "augment/crop.h"
#include "augment/timm.h"
#include "pipeline/error.h"

namespace millrace::augment {
namespace {

std::string text(Size s) { return std::to_string(s.width) + " x " + std::to_string(s.height); }

// Walks the list once; knows the picture's size after each operation where it is known.
class Check {
 public:
  Check(std::vector<Operation> operations, const RecipeOptions& options) : list_(std::move(operations)) {
    result_.options = options;
    size_ = options.input;
  }

  Compiled run() {
    const RecipeOptions& o = result_.options;
    if (o.channels != 1 && o.channels != 3)
      throw Error(ErrorKind::usage, "augment: pictures have 1 or 3 channels, not " + std::to_string(o.channels));
    if (list_.size() > 100) throw Error(ErrorKind::usage, "augment: more than 100 operations");  // Slots above are noise streams.
    for (index_ = 0; index_ < list_.size(); ++index_) {
      fill_ = {};
      timm_ = {};
      std::visit([this](auto& op) { visit(op); }, list_[index_]);
      if (!std::holds_alternative<Normalize>(list_[index_])) {
        result_.operations.push_back(list_[index_]);
        result_.fills.push_back(fill_);
        result_.timm.push_back(timm_);
      }
    }
    if (drawn_ > Draw::kMaxOps)
      throw Error(ErrorKind::usage,
                  "augment: this list can draw " + std::to_string(drawn_) + " operations for a picture, the limit is " +
                      std::to_string(int{Draw::kMaxOps}),
                  "shorten the list");
    if (size_.width <= 0 || size_.height <= 0)
      throw Error(ErrorKind::usage, "augment: pictures vary in size and no operation fixes it",
                  "add RandomResizedCrop, Resize with CenterCrop, or RandomCrop");
    result_.format = {o.channels, size_.height, size_.width, o.dtype, o.layout};
    result_.normalizer = make_normalizer(o.channels, normalize_.mean, normalize_.std);
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const {
    throw Error(ErrorKind::usage, "augment[" + std::to_string(index_) + "] " + name_of(list_[index_]) + ": " + what, hint);
  }
  bool known() const { return size_.width > 0; }

  void range(const Range& r, const char* name, double low, double high) const {
    if (!(r[0] <= r[1]) || !(r[0] >= low) || !(r[1] <= high)) {
      std::ostringstream s;
      s << name << " is [" << r[0] << ", " << r[1] << "], which is not an increasing range within [" << low << ", " << high << "]";
      fail(s.str());
    }
  }
  void probability(double p) const {
    if (!(p >= 0 && p <= 1)) fail("p is " + std::to_string(p) + ", not within 0 .. 1");
  }
  void positive(Size s) const {
    constexpr int kLargest = 1 << 14;
    if (s.width < 1 || s.height < 1 || s.width > kLargest || s.height > kLargest) fail("size " + text(s) + " is not within 1 .. 16384");
  }
  void values_follow() const {
    if (erased_) fail("comes after RandomErasing, which must be last");
    if (normalized_) fail("comes after Normalize, which only RandomErasing may follow");
  }
  void draws(int count) {
    values_follow();
    drawn_ += count;
  }

  void visit(const RandomAffine& op) {
    draws(1);
    range(op.degrees, "degrees", -1e6, 1e6);
    if (op.translate)
      for (const double t : *op.translate)
        if (!(t >= 0 && t <= 1)) fail("translate is a share of the picture, 0 .. 1");
    if (op.scale) range(*op.scale, "scale", 1e-3, 1e3);
    if (op.shear.size() != 0 && op.shear.size() != 1 && op.shear.size() != 2 && op.shear.size() != 4) fail("shear takes 1, 2 or 4 values");
    for (const double s : op.shear)
      if (!(std::abs(s) < 90)) fail("shear is in degrees, between -90 and 90");
    fill_ = op.fill;
  }
  void visit(const RandomRotation& op) {
    draws(1);
    range(op.degrees, "degrees", -1e6, 1e6);
    fill_ = op.fill;
  }
  void visit(const Resize& op) {
    draws(1);
    if (op.shorter > 0) {
      positive({op.shorter, op.shorter});
      size_ = known() ? size_for_shorter_side(size_, op.shorter) : Size{};
    } else {
      positive(op.size);
      if (op.fit == Resize::Fit::stretch)
        size_ = op.size;
      else
        size_ = known() ? size_for_fit(size_, op.size, op.fit == Resize::Fit::cover) : Size{};
    }
  }
  void visit(const CenterCrop& op) {
    draws(1);
    positive(op.size);
    size_ = op.size;
    fill_ = op.fill;
  }
  void visit(const RandomCrop& op) {
    draws(1);
    positive(op.size);
    if (op.padding < 0 || op.padding > 4096) fail("padding is " + std::to_string(op.padding) + ", not within 0 .. 4096");
    if (known() && (size_.width + 2 * op.padding < op.size.width || size_.height + 2 * op.padding < op.size.height))
      fail("size " + text(op.size) + " exceeds the picture of " + text(size_) + " with padding " + std::to_string(op.padding));
    if (known() && op.pad_mode == PadMode::reflect && (op.padding >= size_.width || op.padding >= size_.height))
      fail("reflected padding must be smaller than the picture of " + text(size_));
    size_ = op.size;
    fill_ = op.fill;
  }
  void visit(const RandomResizedCrop& op) {
    draws(2);  // The crop and the resize, where they are not the first pass.
    positive(op.size);
    range(op.scale, "scale", 1e-6, 1e3);
    range(op.ratio, "ratio", 1e-3, 1e3);
    size_ = op.size;
  }
  void visit(const RandomHorizontalFlip& op) {
    draws(1);
    probability(op.p);
  }
  void visit(const RandomVerticalFlip& op) {
    draws(1);
    probability(op.p);
  }
  void visit(const Normalize& op) {
    values_follow();
    if (result_.options.dtype == Dtype::u8)
      fail("needs data.dtype = f32", "with u8 the device normalises: give mean and std to the trainer");
    const auto channels = static_cast<std::size_t>(result_.options.channels);
    for (const auto* values : {&op.mean, &op.std})
      if (values->size() != 1 && values->size() != channels) fail("mean and std take 1 or " + std::to_string(channels) + " values");
    for (const double s : op.std)
      if (!(s > 0)) fail("std must be positive");
    normalized_ = true;
    normalize_ = op;
  }
  void visit(const TimmRandAugment& op) {
    try {
      timm_ = parse_timm_config(op.config);
    } catch (const Error& e) {
      fail(e.what(), e.hint());
    }
    draws(timm_.num_ops);
    fill_ = timm_fill(op.mean);
  }
  void visit(const RandAugment& op) {
    if (op.num_ops < 0) fail("num_ops is negative");
    bins(op.bins, op.magnitude);
    draws(op.num_ops);
    fill_ = op.fill;
  }
  void visit(const TrivialAugmentWide& op) {
    bins(op.bins, 0);
    draws(1);
    fill_ = op.fill;
  }
  void visit(const AutoAugment& op) {
    draws(2);
    fill_ = op.fill;
  }
  void visit(const ColorJitter& op) {
    draws(4);
    for (const auto& part : {op.brightness, op.contrast, op.saturation})
      if (part) range(*part, "a factor", 0, 1e3);
    if (op.hue) range(*op.hue, "hue", -0.5, 0.5);
  }
  void visit(const RandomGrayscale& op) {
    draws(1);
    probability(op.p);
  }
  void visit(const RandomErasing& op) {
    drawn_ += op.max_count;
    probability(op.p);
    range(op.area, "area", 0, 1);
    range(op.aspect, "aspect", 1e-3, 1e3);
    if (op.max_count < 1) fail("max_count is " + std::to_string(op.max_count) + ", at least 1 is needed");
    erased_ = true;
  }

  void bins(int count, int magnitude) const {
    if (count < 2 || count > 1000) fail("bins is " + std::to_string(count) + ", not within 2 .. 1000");
    if (magnitude < 0 || magnitude >= count)
      fail("magnitude is " + std::to_string(magnitude) + ", not one of " + std::to_string(count) + " bins");
  }

  std::vector<Operation> list_;
  Compiled result_;
  std::size_t index_ = 0;
  Size size_;
  Fill fill_{};
  TimmConfig timm_;
  Normalize normalize_;
  int drawn_ = 0;
  bool normalized_ = false, erased_ = false;
};

}  // namespace

Compiled check(std::vector<Operation> operations, const RecipeOptions& options) { return Check(std::move(operations), options).run(); }

std::vector<std::string> warnings(const std::vector<Operation>& operations) {
  std::vector<std::string> list;
  for (const Operation& operation : operations)
    if (const auto* timm = std::get_if<TimmRandAugment>(&operation))
      for (std::string& warning : parse_timm_config(timm->config).warnings) list.push_back(std::move(warning));
  return list;
}

const char* name_of(const Operation& operation) {
  constexpr const char* names[] = {
      "RandomAffine",         "RandomRotation",     "Resize",          "CenterCrop",  "RandomCrop",         "RandomResizedCrop",
      "RandomHorizontalFlip", "RandomVerticalFlip", "TimmRandAugment", "RandAugment", "TrivialAugmentWide", "AutoAugment",
      "ColorJitter",          "RandomGrayscale",    "RandomErasing",   "Normalize"};
  static_assert(std::size(names) == std::variant_size_v<Operation>);
  return names[operation.index()];
}

}  // namespace millrace::augment
