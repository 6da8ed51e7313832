#include "experiments/grid.h"

#include <algorithm>

#include "pipeline/error.h"

namespace millrace {

std::vector<Cell> expand(const std::vector<Axis>& axes) {
  std::vector<Cell> cells(1);
  for (const Axis& axis : axes) {
    std::vector<Cell> wider;
    for (const Cell& cell : cells)
      for (const Json& value : axis.values) {
        wider.push_back(cell);
        wider.back().emplace_back(axis.key, value);
      }
    cells = std::move(wider);
  }
  return cells;
}

void restrict_axis(std::vector<Axis>& axes, const std::string& key, const Json& value) {
  std::vector<std::string> keys;
  for (Axis& axis : axes) {
    keys.push_back(axis.key);
    if (axis.key != key) continue;
    if (std::find(axis.values.begin(), axis.values.end(), value) == axis.values.end())
      throw Error(ErrorKind::usage, "--only " + key + "=" + value_text(value) + ": the axis has no such value",
                  "its values: " + Json(axis.values).dump());
    axis.values = {value};
    return;
  }
  const std::string near = nearest(key, keys);
  throw Error(ErrorKind::usage, "--only " + key + ": the study has no such axis", near.empty() ? "" : "did you mean '" + near + "'?");
}

namespace {

bool meets(const Cell& cell, const When& rule) {
  for (const auto& [key, wanted] : rule.match.items()) {
    const auto it = std::find_if(cell.begin(), cell.end(), [&, k = &key](const auto& pair) { return pair.first == *k; });
    if (it == cell.end()) return false;
    if (wanted.is_array() ? std::find(wanted.begin(), wanted.end(), it->second) == wanted.end() : wanted != it->second) return false;
  }
  return true;
}

/// An axis without a table's key, which rules read.
bool is_label(const std::string& key, const std::vector<When>& rules) {
  return key.find('.') == std::string::npos &&
         std::any_of(rules.begin(), rules.end(), [&](const When& r) { return r.match.contains(key); });
}

}  // namespace

bool skipped(const Cell& cell, const std::vector<When>& rules) {
  return std::any_of(rules.begin(), rules.end(), [&](const When& rule) { return rule.skip && meets(cell, rule); });
}

Spec spec_of(const Document& base, const Cell& cell, int repetition, int cores, const std::vector<When>& rules) {
  Document document = base;
  for (const auto& [key, value] : cell)
    if (!is_label(key, rules)) override_key(document, key, value, "study axis " + key);
  for (const When& rule : rules)
    if (meets(cell, rule))
      for (const auto& [key, value] : rule.set) override_key(document, key, value, "study.when " + key);
  Spec spec = parse_spec(document, cores);
  spec.loader.seed += static_cast<std::uint64_t>(repetition);
  spec.train.options.seed += static_cast<std::uint64_t>(repetition);
  return spec;
}

std::string axis_name(const std::string& key) {
  const auto dot = key.rfind('.');
  std::string name = dot == std::string::npos ? key : key.substr(dot + 1);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string value_text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string axis_label(const std::string& key, const Json& value) { return axis_name(key) + " " + value_text(value); }

std::string cell_label(const Cell& cell, const std::string& except) {
  std::string out;
  for (const auto& [key, value] : cell)
    if (key != except) out += (out.empty() ? "" : ", ") + axis_label(key, value);
  return out;
}

Json to_json(const Cell& cell) {
  Json out = Json::object();
  for (const auto& [key, value] : cell) out[key] = value;
  return out;
}

Cell cell_from(const Json& json) {
  Cell out;
  if (json.is_object())
    for (const auto& [key, value] : json.items()) out.emplace_back(key, value);
  return out;
}

}  // namespace millrace
