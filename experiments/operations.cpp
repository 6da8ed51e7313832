#include "experiments/operations.h"

#include <cmath>
#include <functional>

namespace millrace {
namespace {

using namespace augment;

const std::vector<std::pair<std::string, Filter>> kWarpFilters{{"nearest", Filter::nearest}, {"bilinear", Filter::bilinear}};
const std::vector<std::pair<std::string, Filter>> kResizeFilters{{"nearest", Filter::nearest},   {"box", Filter::box},
                                                                 {"bilinear", Filter::bilinear}, {"hamming", Filter::hamming},
                                                                 {"bicubic", Filter::bicubic},   {"lanczos", Filter::lanczos}};
const std::vector<std::pair<std::string, PadMode>> kPadModes{
    {"constant", PadMode::constant}, {"edge", PadMode::edge}, {"reflect", PadMode::reflect}, {"symmetric", PadMode::symmetric}};

/// torchvision's rule: one number d means (-d, d).
void symmetric_range(Keys& keys, const char* name, Range& range, double limit) {
  std::vector<double> v{range[0], range[1]};
  keys.numbers(name, v, {1, 2}, -limit, limit);
  range = v.size() == 1 ? Range{-std::abs(v[0]), std::abs(v[0])} : Range{v[0], v[1]};
}

void optional_range(Keys& keys, const char* name, std::optional<Range>& range, double low, double high) {
  std::vector<double> v;
  if (range) v.assign(range->begin(), range->end());
  keys.numbers(name, v, {2}, low, high);
  if (v.size() == 2) range = Range{v[0], v[1]};
}

void fill(Keys& keys, std::array<std::uint8_t, 3>& colour) {
  std::vector<double> v(colour.begin(), colour.end());
  keys.numbers("fill", v, {1, 3}, 0, 255);
  for (std::size_t i = 0; i < 3; ++i) colour[i] = static_cast<std::uint8_t>(v.size() == 1 ? v[0] : v[i]);
}

/// One number for a square, or [height, width] as torchvision has it.
void size(Keys& keys, Size& value) {
  std::vector<double> v{double(value.height), double(value.width)};
  keys.numbers("size", v, {1, 2}, 1, 65536);
  value = {static_cast<int>(v.back()), static_cast<int>(v.front())};
}

void keys_of(Keys& keys, RandomAffine& op) {
  symmetric_range(keys, "degrees", op.degrees, 360);
  optional_range(keys, "translate", op.translate, 0, 1);
  optional_range(keys, "scale", op.scale, 1e-3, 1e3);
  keys.numbers("shear", op.shear, {1, 2, 4}, -89, 89);
  keys.choice("interpolation", op.filter, kWarpFilters);
  fill(keys, op.fill);
}

void keys_of(Keys& keys, RandomCrop& op) {
  size(keys, op.size);
  keys.whole("padding", op.padding, 0, 65536);
  keys.choice("padding_mode", op.pad_mode, kPadModes);
  fill(keys, op.fill);
}

void keys_of(Keys& keys, RandomHorizontalFlip& op) { keys.number("p", op.p, 0, 1); }
void keys_of(Keys& keys, RandomVerticalFlip& op) { keys.number("p", op.p, 0, 1); }
void keys_of(Keys& keys, CenterCrop& op) { size(keys, op.size); }

void keys_of(Keys& keys, Resize& op) {
  if (keys.reading() || op.shorter == 0) size(keys, op.size);
  if (keys.reading() || op.shorter) keys.whole("shorter", op.shorter, 1, 65536);
  keys.choice("interpolation", op.filter, kResizeFilters);
  keys.boolean("antialias", op.antialias);
}

void keys_of(Keys& keys, RandomResizedCrop& op) {
  size(keys, op.size);
  std::optional<Range> scale = op.scale, ratio = op.ratio;
  optional_range(keys, "scale", scale, 1e-6, 1);
  optional_range(keys, "ratio", ratio, 1e-3, 1e3);
  op.scale = *scale;
  op.ratio = *ratio;
  keys.choice("interpolation", op.filter, kResizeFilters);
  keys.boolean("antialias", op.antialias);
}

void keys_of(Keys& keys, Normalize& op) {
  keys.numbers("mean", op.mean, {1, 3}, -1e6, 1e6);
  keys.numbers("std", op.std, {1, 3}, 1e-9, 1e6);
}

/// The table of operations. Those that are in no spec yet have no keys here.
struct Row {
  const char* name;
  Operation made;
  void (*visit)(Keys&, Operation&);
  bool random;
};
template <class Op>
Row row(const char* name, bool random, Op made = {}) {
  return {name, std::move(made), [](Keys& keys, Operation& op) { keys_of(keys, std::get<Op>(op)); }, random};
}
const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      row<RandomAffine>("random_affine", true),
      row<RandomCrop>("random_crop", true),
      row<Resize>("resize", false),
      row<CenterCrop>("center_crop", false),
      row<RandomResizedCrop>("random_resized_crop", true),
      row<RandomVerticalFlip>("random_vertical_flip", true),
      row<RandomHorizontalFlip>("random_horizontal_flip", true),
      row<Normalize>("normalize", false, {{0.5}, {0.5}}),
  };
  return table;
}

const Row& row_of(const Operation& operation) {
  for (const Row& r : rows())
    if (r.made.index() == operation.index()) return r;
  std::abort();  // Every operation was made by make_operation.
}

}  // namespace

const std::vector<std::string>& operation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Row& r : rows()) out.emplace_back(r.name);
    return out;
  }();
  return names;
}

augment::Operation make_operation(const std::string& name) {
  for (const Row& r : rows())
    if (r.name == name) return r.made;
  std::abort();
}

void visit(Keys& keys, augment::Operation& operation) { row_of(operation).visit(keys, operation); }

bool is_random(const augment::Operation& operation) { return row_of(operation).random; }

}  // namespace millrace
