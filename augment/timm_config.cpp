#include "augment/timm_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "pipeline/error.h"

namespace millrace::augment {
namespace {

constexpr double kDefaultWeight = 1;
enum class Set { normal, weights, three, three_weighted, legacy };

using enum TimmOp;

std::vector<TimmChoice> choices_of(Set set, bool increasing) {
  switch (set) {
    case Set::normal: {
      std::vector<TimmChoice> list;
      for (int i = 0; i < kTimmDefaultOps; ++i) list.push_back({static_cast<TimmOp>(i), increasing, kDefaultWeight});
      return list;
    }
    case Set::weights:
      return {{rotate, true, 3},     {shear_x, true, 2},      {shear_y, true, 2},         {translate_x, true, 1}, {translate_y, true, 1},
              {color, true, .25},    {sharpness, true, .25},  {auto_contrast, true, .25}, {solarize, true, .05},  {solarize_add, true, .05},
              {contrast, true, .05}, {brightness, true, .05}, {equalize, true, .05},      {posterize, true, .05}, {invert, true, .05}};
    case Set::three:
      return {{solarize, true, 1}, {desaturate, true, 1}, {blur, true, 1}};
    case Set::three_weighted:
      return {{solarize, true, 6}, {desaturate, true, 6}, {blur, true, 6},          {rotate, true, 3}, {shear_x, true, 2},
              {shear_y, true, 2},  {posterize, true, 1},  {auto_contrast, true, 1}, {color, true, 1},  {sharpness, true, 1},
              {contrast, true, 1}, {brightness, true, 1}, {equalize, true, 1},      {invert, true, 1}};
    case Set::legacy:
      break;
  }
  const bool i = increasing;
  return {{rotate, i, .3},     {shear_x, i, .2},      {shear_y, i, .2},         {translate_x, i, .1}, {translate_y, i, .1},
          {color, i, .025},    {sharpness, i, .025},  {auto_contrast, i, .025}, {solarize, i, .005},  {solarize_add, i, .005},
          {contrast, i, .005}, {brightness, i, .005}, {equalize, i, .005},      {posterize, i, 0},    {invert, i, 0}};
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  TimmConfig run() {
    std::size_t at = 0;
    for (bool first = true; at <= text_.size(); first = false) {
      const std::size_t end = std::min(text_.find('-', at), text_.size());
      const std::string token = text_.substr(at, end - at);
      at = end + 1;
      if (first && token != "rand") fail(token, "the string must begin with 'rand'");
      if (!first) take(token);
    }
    c_.magnitude_max = max_.value_or(0) == 0 ? 10 : *max_;
    const double std = std_.value_or(0);
    c_.uniform_noise = std > 100;
    c_.magnitude_std = c_.uniform_noise ? 0 : std;
    if (legacy_ && named_set_) fail("w0", "legacy weights and a 't' set exclude one another");
    const Set set = legacy_ ? Set::legacy : set_;
    c_.weighted = set == Set::weights || set == Set::three_weighted || set == Set::legacy;
    c_.choices = choices_of(set, c_.increasing);
    const auto drawable = std::count_if(c_.choices.begin(), c_.choices.end(), [](const TimmChoice& i) { return i.weight > 0; });
    if (c_.weighted && c_.num_ops > drawable)
      fail("n" + std::to_string(c_.num_ops), "this set has " + std::to_string(drawable) + " operations and is drawn without replacement");
    return std::move(c_);
  }

 private:
  [[noreturn]] void fail(const std::string& token, const std::string& why) const {
    throw Error(ErrorKind::usage, "RandAugment string '" + text_ + "', token '" + token + "': " + why,
                "tokens are m, n, p, mstd, mmax, inc with a number, or tweights, t3a, t3aw");
  }

  void take(const std::string& token) {
    if (!token.empty() && token[0] == 't') return take_set(token);
    const std::size_t digit = token.find_first_of("0123456789");
    if (digit == std::string::npos) {
      c_.warnings.push_back("RandAugment string '" + text_ + "': token '" + token + "' has no number and is ignored, as timm does");
      return;
    }
    const std::string key = token.substr(0, digit), value = token.substr(digit);
    if (key == "m")
      c_.magnitude = integer(token, value);
    else if (key == "n")
      c_.num_ops = integer(token, value);
    else if (key == "p")
      c_.probability = real(token, value);
    else if (key == "mstd")
      keep_first(std_, real(token, value));
    else if (key == "mmax")
      keep_first(max_, integer(token, value));
    else if (key == "inc")
      c_.increasing = integer(token, value) != 0;
    else if (key == "w" && value == "0")
      take_legacy();
    else if (key == "w")
      fail(token, "only w0, the weights of timm 0.6, is known");
    else
      fail(token, "no such key");
  }

  // The first name decides, even one that means the default list.
  void take_set(const std::string& token) {
    if (named_set_) return;
    named_set_ = true;
    if (token == "tweights")
      set_ = Set::weights;
    else if (token == "t3a")
      set_ = Set::three;
    else if (token == "t3aw")
      set_ = Set::three_weighted;
    else
      c_.warnings.push_back("RandAugment string '" + text_ + "': no set is called '" + token.substr(1) +
                            "'; the default list is used, as timm does");
  }
  void take_legacy() {
    legacy_ = true;
    c_.warnings.push_back("RandAugment string '" + text_ + "': w0 takes the weights of timm 0.6.13; later versions refuse it");
  }

  template <class T>
  static void keep_first(std::optional<T>& held, T value) {
    if (!held) held = value;
  }
  int integer(const std::string& token, const std::string& value) const {
    int v = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), v);
    if (error != std::errc() || end != value.data() + value.size()) fail(token, "'" + value + "' is not an integer");
    return v;
  }
  double real(const std::string& token, const std::string& value) const {
    double v = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), v);
    if (error != std::errc() || end != value.data() + value.size()) fail(token, "'" + value + "' is not a number");
    return v;
  }

  const std::string& text_;
  TimmConfig c_;
  std::optional<double> std_;
  std::optional<int> max_;
  Set set_ = Set::normal;
  bool named_set_ = false, legacy_ = false;
};

}  // namespace

TimmConfig parse_timm_config(const std::string& text) { return Parser(text).run(); }

bool timm_is_signed(TimmOp op, bool increasing) {
  switch (op) {
    case rotate:
    case shear_x:
    case shear_y:
    case translate_x:
    case translate_y:
      return true;
    case color:
    case contrast:
    case brightness:
    case sharpness:
      return increasing;
    default:
      return false;
  }
}

double timm_argument(TimmOp op, bool increasing, double level, double sign) {
  const double u = level / 10.0;
  switch (op) {
    case rotate:
      return sign * (u * 30.0);
    case posterize: {
      const int bits = static_cast<int>(u * 4);
      return increasing ? 4 - bits : bits;
    }
    case solarize: {
      const int threshold = std::min(256, static_cast<int>(u * 256));
      return increasing ? 256 - threshold : threshold;
    }
    case solarize_add:
      return std::min(128, static_cast<int>(u * 110));
    case color:
    case contrast:
    case brightness:
    case sharpness:
      return increasing ? std::max(0.1, 1.0 + sign * (u * 0.9)) : u * 1.8 + 0.1;
    case shear_x:
    case shear_y:
      return sign * (u * 0.3);
    case translate_x:
    case translate_y:
      return sign * (u * 0.45);
    case desaturate:
      return std::clamp(0.5 + 0.5 * u, 0.5, 1.0);
    case blur:
      return std::clamp(0.1 + 1.9 * u, 0.1, 2.0);
    default:
      return 0;
  }
}

}  // namespace millrace::augment
