#include "experiments/keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include "pipeline/error.h"

namespace millrace {
namespace {

std::string kind_of(const Json& value) {
  if (value.is_string()) return "the text " + Json(shortened(value.get<std::string>())).dump();
  if (value.is_boolean() || value.is_number()) return value.dump();
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  return "a table";
}

std::string say(std::int64_t value) { return std::to_string(value); }
std::string say(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

template <class T>
std::string range_text(T low, T high) {
  if (high >= std::numeric_limits<T>::max()) return say(low) + " or more";
  return say(low) + " to " + say(high);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : ", ") + w;
  return out;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !(number > 0)) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' '));
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1}, {"B", 1}, {"bytes", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}};
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    const double bytes = number * factor;
    return bytes >= 1 && bytes < 0x1p62 && (factor > 1 || bytes == std::floor(bytes)) ? std::optional(static_cast<std::uint64_t>(bytes)) : std::nullopt;
  }
  return std::nullopt;
}

const Entry* KeyReader::take(const char* name) {
  known_.emplace_back(name);
  return section_.find(name);
}

void KeyReader::mistyped(const Entry& entry, const std::string& expected) const {
  throw Error(ErrorKind::usage,
              entry.value_place + ": " + label_ + "." + entry.key + ": expected " + expected + ", found " + kind_of(entry.value));
}

void KeyReader::boolean(const char* name, bool& value) {
  const Entry* e = take(name);
  if (!e) return;
  if (!e->value.is_boolean()) mistyped(*e, "true or false");
  value = e->value.get<bool>();
}

void KeyReader::integer(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high) {
  const Entry* e = take(name);
  if (!e) return;
  const std::string expected = "an integer, " + range_text(low, high);
  if (!e->value.is_number_integer()) mistyped(*e, expected);
  const auto v = e->value.get<std::int64_t>();
  if (v < low || v > high) mistyped(*e, expected);
  value = v;
}

void KeyReader::integer_or(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high, const char* word, std::int64_t meaning) {
  const Entry* e = take(name);
  if (!e) return;
  const std::string expected = "an integer, " + range_text(low, high) + ", or \"" + word + "\"";
  const bool said = e->value.is_string() && e->value.get<std::string>() == word;
  if (!said && !e->value.is_number_integer()) mistyped(*e, expected);
  const auto v = said ? meaning : e->value.get<std::int64_t>();
  if (!said && (v < low || v > high)) mistyped(*e, expected);
  value = v;
}

void KeyReader::number(const char* name, double& value, double low, double high) {
  const Entry* e = take(name);
  if (!e) return;
  const std::string expected = "a number, " + range_text(low, high);
  if (!e->value.is_number()) mistyped(*e, expected);
  const auto v = e->value.get<double>();
  if (!(v >= low && v <= high) || !std::isfinite(v)) mistyped(*e, expected);
  value = v;
}

void KeyReader::text(const char* name, std::string& value, const std::vector<std::string>& allowed) {
  const Entry* e = take(name);
  if (!e) return;
  if (!e->value.is_string()) mistyped(*e, allowed.empty() ? "a text" : "one of " + joined(allowed));
  const auto v = e->value.get<std::string>();
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), v) == allowed.end()) {
    const std::string near = nearest(v, allowed);
    throw Error(ErrorKind::usage, e->value_place + ": " + label_ + "." + e->key + ": '" + shortened(v) + "' is none of " + joined(allowed),
                near.empty() ? "" : "did you mean '" + near + "'?");
  }
  value = v;
}

void KeyReader::bytes(const char* name, std::uint64_t& value) {
  const Entry* e = take(name);
  if (!e) return;
  if (e->value.is_string() && e->value.get<std::string>() == "auto") {
    value = 0;
    return;
  }
  if (e->value.is_number_integer() && e->value.get<std::int64_t>() > 0) {
    value = e->value.get<std::uint64_t>();
    return;
  }
  const auto size = e->value.is_string() ? parse_bytes(e->value.get<std::string>()) : std::nullopt;
  if (!size) mistyped(*e, "a size such as \"2 GiB\" or \"512 MiB\", a number of bytes, or \"auto\"");
  value = *size;
}

void KeyReader::numbers(const char* name, std::vector<double>& value, std::vector<std::size_t> counts, double low, double high) {
  const Entry* e = take(name);
  if (!e) return;
  std::string sizes;
  for (std::size_t i = 0; i < counts.size(); ++i) sizes += (i ? i + 1 == counts.size() ? " or " : ", " : "") + std::to_string(counts[i]);
  const std::string expected = "a list of " + sizes + (sizes == "1" ? " number" : " numbers") + ", each " + range_text(low, high);
  const Json list = e->value.is_number() ? Json::array({e->value}) : e->value;
  if (!list.is_array() || std::find(counts.begin(), counts.end(), list.size()) == counts.end()) mistyped(*e, expected);
  std::vector<double> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool number = list[i].is_number();
    if (number) out.push_back(list[i].get<double>());
    if (number && out.back() >= low && out.back() <= high && std::isfinite(out.back())) continue;
    if (!e->value.is_array()) mistyped(*e, expected);
    throw Error(ErrorKind::usage, e->value_place + ": " + label_ + "." + e->key + ": expected " + expected + ", found " + kind_of(list[i]) + " at place " + std::to_string(i + 1));
  }
  value = std::move(out);
}

void KeyReader::texts(const char* name, std::vector<std::string>& value) {
  const Entry* e = take(name);
  if (!e) return;
  const std::string expected = "a list of texts";
  if (!e->value.is_array() || e->value.empty()) mistyped(*e, expected);
  std::vector<std::string> out;
  for (const Json& item : e->value) {
    if (!item.is_string()) throw Error(ErrorKind::usage, e->value_place + ": " + label_ + "." + e->key + ": expected " + expected + ", found " + kind_of(item) + " at place " + std::to_string(out.size() + 1));
    out.push_back(item.get<std::string>());
  }
  value = std::move(out);
}

void KeyReader::refuse(const char* name, const std::string& what, const std::string& hint) const {
  const Entry* e = section_.find(name);
  throw Error(ErrorKind::usage, (e ? e->value_place : section_.place) + ": " + label_ + "." + name + ": " + what, hint);
}

void KeyReader::finish() const {
  // toml++ keeps keys by name; the reader of a message looks for the first in the file.
  for (const Entry& e : section_.entries) {
    if (std::find(known_.begin(), known_.end(), e.key) != known_.end()) continue;
    const std::string near = nearest(e.key, known_);
    throw Error(ErrorKind::usage, e.key_place + ": unknown key '" + label_ + "." + shortened(e.key) + "'",
                near.empty() ? "keys here: " + joined(known_) : "did you mean '" + label_ + "." + near + "'?");
  }
}

}  // namespace millrace
