#include "experiments/record_check.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/document.h"

namespace millrace {
namespace {

enum class Kind { text, flag, integer, number, table, list };

bool is(const Json& value, Kind kind) {
  switch (kind) {
    case Kind::text:
      return value.is_string();
    case Kind::flag:
      return value.is_boolean();
    case Kind::integer:
      return value.is_number_integer();
    case Kind::number:
      return value.is_number() || value.is_null();  // Null stands for what is not finite.
    case Kind::table:
      return value.is_object();
    case Kind::list:
      break;
  }
  return value.is_array();
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a text";
    case Kind::flag:
      return "true or false";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::table:
      return "a table";
    case Kind::list:
      break;
  }
  return "a list";
}

/// A key, of the record or of a table in it ("host.cpu").
struct Rule {
  const char* table;
  const char* key;
  Kind kind;
};

const std::vector<Rule>& rules_of(const std::string& type) {
  static const std::vector<Rule> study{{"", "name", Kind::text}, {"", "axes", Kind::table}, {"", "scale", Kind::text},
                                       {"", "bars", Kind::text}, {"", "runs", Kind::list},  {"", "published", Kind::table}};
  static const std::vector<Rule> run{
      {"", "run", Kind::text},           {"", "started", Kind::text}, {"", "command", Kind::text},      {"", "commit", Kind::text},
      {"", "spec_digest", Kind::text},   {"", "spec", Kind::table},   {"spec", "data", Kind::table},    {"spec", "loader", Kind::table},
      {"", "host", Kind::table},         {"host", "cpu", Kind::text}, {"host", "cores", Kind::integer}, {"", "versions", Kind::table},
      {"versions", "torch", Kind::text}, {"", "cell", Kind::table},   {"", "repetition", Kind::integer}};
  static const std::vector<Rule> epoch{
      {"", "run", Kind::text},         {"", "complete", Kind::flag},   {"", "wall_seconds", Kind::number},
      {"", "images", Kind::number},    {"", "steps", Kind::number},    {"", "unaccounted_seconds", Kind::number},
      {"", "loss", Kind::number},      {"", "accuracy", Kind::number}, {"", "phases", Kind::table},
      {"", "class_count", Kind::list}, {"", "loader", Kind::table},    {"loader", "stages", Kind::table}};
  static const std::vector<Rule> end{{"", "run", Kind::text}, {"", "outcome", Kind::text}, {"", "error", Kind::text}};
  static const std::vector<Rule> other;
  return type == "study" ? study : type == "run" ? run : type == "epoch" ? epoch : type == "end" ? end : other;
}

std::string wrong_in_plan(const Json& runs) {
  for (const Json& plan : runs)
    if (!plan.is_object() || !plan.contains("digest") || !plan["digest"].is_string() || !plan.contains("cell") || !plan["cell"].is_object())
      return "'runs' is not a list of tables with digest and cell";
  return {};
}

}  // namespace

std::string wrong_in_record(const Json& record) {
  if (!record.is_object()) return "not a JSON object";
  const auto type = record.find("type");
  if (type == record.end()) return {};
  if (!type->is_string()) return "'type' is not a text";
  for (const Rule& rule : rules_of(type->get<std::string>())) {
    const std::string path = *rule.table ? std::string(rule.table) + "." + rule.key : rule.key;
    const Json* table = &record;
    if (*rule.table) {
      const auto inner = record.find(rule.table);
      if (inner == record.end()) continue;
      table = &*inner;  // Its own rule stands before.
    }
    const auto value = table->find(rule.key);
    if (value != table->end() && !is(*value, rule.kind)) return "'" + path + "' is not " + name_of(rule.kind);
  }
  if (const auto loader = record.find("loader"); loader != record.end() && loader->is_object() && loader->contains("stages"))
    for (const auto& [name, stage] : (*loader)["stages"].items())
      if (!stage.is_object()) return "'loader.stages." + shortened(name) + "' is not a table";
  return record.contains("runs") && *type == "study" ? wrong_in_plan(record["runs"]) : "";
}

std::size_t depth_of(const std::string& line) {
  std::size_t depth = 0, most = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\')
      ++i;
    else if (line[i] == '"')
      quoted = !quoted;
    else if (!quoted && (line[i] == '[' || line[i] == '{'))
      most = std::max(most, ++depth);
    else if (!quoted && (line[i] == ']' || line[i] == '}') && depth)
      --depth;
  }
  return most;
}

}  // namespace millrace
