#include "experiments/figures.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "experiments/document.h"
#include "experiments/terminal.h"
#include "experiments/work.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

[[noreturn]] void no_figure(std::string_view text) {
  throw Error(ErrorKind::data, "'" + shortened(text) + "' is not a figure",
              "digits as printed, for example \".9173\", \"302.0 [i]\", \">.85\"");
}

/// The number at the front of `text`, with what rounds to its digits.
Figure take_number(std::string_view& text, std::string_view whole) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string digits = "0" + std::string(text.substr(0, end));  // from_chars wants a digit before the point.
  Figure out;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.value);
  if (end == 0 || text.substr(0, end) == "." || error != std::errc() || stop != digits.data() + digits.size()) no_figure(whole);
  const std::size_t point = digits.find('.');
  const double half = 0.5 * std::pow(10.0, point == std::string::npos ? 0 : -double(digits.size() - point - 1));
  out.low = out.value - half;
  out.high = out.value + half;
  out.text = text.substr(0, end);
  text.remove_prefix(end);
  return out;
}

std::string take_mark(std::string_view& text) {
  if (text.ends_with(" [c]") || text.ends_with(" [i]")) {
    const std::string mark(1, text[text.size() - 2]);
    text.remove_suffix(4);
    return mark;
  }
  return {};
}

bool holds(const Json& values, const Json& value) {
  return values.is_array() ? std::find(values.begin(), values.end(), value) != values.end() : values == value;
}

}  // namespace

std::size_t Figure::digits() const {
  std::size_t out = 0;
  for (const char c : text)
    if (c >= '0' && c <= '9') out += out > 0 || c != '0';
  return out;
}

Figure printed(std::string_view whole) {
  std::string_view text = whole;
  const std::string mark = take_mark(text);
  const bool at_least = text.starts_with('>');
  if (at_least) text.remove_prefix(1);
  Figure out = take_number(text, whole);
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    const Figure top = take_number(text, whole);
    if (top.value < out.value) no_figure(whole);
    out.low = out.value;
    out.high = top.value;
    out.value = (out.low + out.high) / 2;
    out.text += "-" + top.text;
  }
  if (!text.empty()) no_figure(whole);
  if (at_least) {
    out.text = ">" + out.text;
    out.low = out.value;
    out.high = HUGE_VAL;
  }
  out.at_least = at_least;
  out.mark = mark;
  return out;
}

std::vector<Figure> printed_series(std::string_view text) {
  std::vector<Figure> out;
  const std::string mark = take_mark(text);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) out.push_back(printed(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (Figure& f : out) f.mark = mark;
  return out;
}

Figure measured(double value, double low, double high) { return {value, low, high, significant(value), {}, false}; }

const Figure* FigureRow::find(std::string_view column) const {
  for (const auto& [key, figure] : figures)
    if (key == column) return &figure;
  return nullptr;
}

bool FigureTable::in_percent(const std::string& column) const {
  const auto it = units.find(column);
  return it != units.end() && it->second.starts_with('%');
}

const FigureRow* FigureTable::named(std::string_view name) const {
  for (const FigureRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

Json setting(const FigureRow& row, const std::string& key) {
  if (const auto it = row.settings.find(key); it != row.settings.end()) return *it;
  if (key != "global_batch" && key != "node_batch" && key != "all_workers") return nullptr;
  Json out = Json::array();
  for (const Work& work : works_of(row.settings))
    out.push_back(key == "global_batch" ? work.global_batch : key == "node_batch" ? work.global_batch / work.nodes : work.workers);
  return out.empty() ? Json() : out.size() == 1 ? out[0] : out;
}

bool has_settings(const FigureRow& row, const Json& where) {
  if (!where.is_object()) return true;
  for (const auto& [key, wanted] : where.items()) {
    const Json mine = setting(row, key);
    const Json values = mine.is_array() ? mine : Json::array({mine});
    if (std::none_of(values.begin(), values.end(), [&, w = &wanted](const Json& v) { return holds(*w, v); })) return false;
  }
  return true;
}

bool agree(const FigureRow& a, const FigureRow& b, const std::string& key) {
  const Json mine = setting(a, key), other = setting(b, key);
  const Json values = mine.is_array() ? mine : Json::array({mine});
  return std::any_of(values.begin(), values.end(), [&](const Json& v) { return holds(other, v); });
}

std::vector<std::pair<std::size_t, std::size_t>> pairs_of(const Claim& c, const std::vector<FigureRow>& rows) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  const auto is = [&](const FigureRow& row, const Json& value) {
    return has_settings(row, Json{{c.vary, value}}) && has_settings(row, c.where);
  };
  for (std::size_t a = 0; a < rows.size(); ++a)
    for (std::size_t b = 0; b < rows.size(); ++b) {
      if (a == b || !is(rows[a], c.from) || !is(rows[b], c.to)) continue;
      if (std::all_of(c.equal.begin(), c.equal.end(), [&](const std::string& key) { return agree(rows[a], rows[b], key); }))
        out.emplace_back(a, b);
    }
  return out;
}

}  // namespace millrace
