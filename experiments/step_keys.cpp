#include "experiments/step_keys.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace millrace::step_keys {

using augment::Range;

const FilterNames& warp_filters() {
  static const FilterNames names{{"nearest", Filter::nearest}, {"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}};
  return names;
}

const FilterNames& resize_filters() {
  static const FilterNames names{{"nearest", Filter::nearest}, {"box", Filter::box},         {"bilinear", Filter::bilinear},
                                 {"hamming", Filter::hamming}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}};
  return names;
}

void symmetric_range(Keys& keys, const char* name, Range& value, double limit) {
  std::vector<double> v{value[0], value[1]};
  keys.numbers(name, v, {1, 2}, -limit, limit);
  value = v.size() == 1 ? Range{-std::abs(v[0]), std::abs(v[0])} : Range{v[0], v[1]};
}

void range(Keys& keys, const char* name, Range& value, double low, double high) {
  std::vector<double> v{value[0], value[1]};
  keys.numbers(name, v, {2}, low, high);
  if (v[0] > v[1]) keys.refuse(name, "the first number is larger than the second", "a range is [low, high]");
  value = {v[0], v[1]};
}

void optional_range(Keys& keys, const char* name, std::optional<Range>& value, double low, double high) {
  std::vector<double> v;
  if (value) v.assign(value->begin(), value->end());
  keys.numbers(name, v, {2}, low, high);
  if (v.size() == 2) value = Range{v[0], v[1]};
}

void size(Keys& keys, Size& value) {
  if (keys.reading() && !keys.has("size") && value == Size{}) keys.refuse("size", "is missing", "size = 224, or [height, width]");
  std::vector<double> v{double(value.height), double(value.width)};
  keys.numbers("size", v, {1, 2}, 1, 16384);
  for (const double side : v)
    if (side != std::floor(side)) keys.refuse("size", "sides are whole numbers of pixels", "");
  value = {static_cast<int>(v.back()), static_cast<int>(v.front())};
}

void fill(Keys& keys, std::array<std::uint8_t, 3>& colour) {
  std::vector<double> v(colour.begin(), colour.end());
  keys.numbers("fill", v, {1, 3}, 0, 255);
  for (std::size_t i = 0; i < v.size(); ++i)  // A mean of 0.485 would be black.
    if (v[i] > 0 && v[i] < 1) keys.refuse("fill", "is a colour of 0 to 255, found " + Json(v[i]).dump(), "a fraction times 255: " + std::to_string(std::lround(255 * v[i])));
  for (std::size_t i = 0; i < 3; ++i) colour[i] = static_cast<std::uint8_t>(std::lround(v.size() == 1 ? v[0] : v[i]));
}

void rgb(Keys& keys, const char* name, augment::Rgb& value, double low, double high) {
  std::vector<double> v(value.begin(), value.end());
  keys.numbers(name, v, {1, 3}, low, high);
  for (std::size_t i = 0; i < 3; ++i) value[i] = v.size() == 1 ? v[0] : v[i];
}

void filter_or_random(Keys& keys, Filter& filter, bool& random, const FilterNames& names) {
  std::string word;
  std::vector<std::string> allowed;
  for (const auto& [text, value] : names) {
    allowed.push_back(text);
    if (value == filter) word = text;
  }
  allowed.emplace_back("random");
  if (random) word = "random";
  keys.text("interpolation", word, allowed);
  random = word == "random";
  for (const auto& [text, value] : names)
    if (text == word) filter = value;
}

void erasing_value(Keys& keys, const char* name, augment::RandomErasing::Value& value) {
  using Value = augment::RandomErasing::Value;
  keys.choice<Value>(name, value, {{"const", Value::constant}, {"rand", Value::per_channel}, {"pixel", Value::per_pixel}});
}

}  // namespace millrace::step_keys
