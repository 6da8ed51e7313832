#include "experiments/document.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr std::uintmax_t kMaxSpecBytes = 1 << 20;

std::string place_of(const std::string& file, const toml::source_region& region) {
  return file + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

Json to_json(const toml::node& node, const std::string& file) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& item : *array) out.push_back(to_json(item, file));
    return out;
  }
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    // toml++ sorts keys; the place restores the order of the text.
    std::vector<std::pair<toml::source_position, const toml::key*>> order;
    for (const auto& [key, value] : *table) order.emplace_back(key.source().begin, &key);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [at, key] : order) out[std::string(key->str())] = to_json(*table->get(key->str()), file);
    return out;
  }
  throw Error(ErrorKind::usage, place_of(file, node.source()) + ": dates and times have no use in a spec");
}

Section to_section(const toml::table& table, const std::string& name, const std::string& file) {
  Section section{name, place_of(file, table.source()), {}};
  for (const auto& [key, value] : table)
    section.entries.push_back({std::string(key.str()), to_json(value, file), place_of(file, key.source()), place_of(file, value.source())});
  return section;
}

toml::table parse(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    throw Error(ErrorKind::usage, place_of(name, e.source()) + ": " + std::string(e.description()));
  }
}

const char* name_of(std::filesystem::file_type type) {
  switch (type) {
    case std::filesystem::file_type::directory:
      return "a directory";
    case std::filesystem::file_type::fifo:
      return "a FIFO";
    case std::filesystem::file_type::socket:
      return "a socket";
    default:
      return "a device";
  }
}

std::string read_text(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    throw Error(ErrorKind::usage, path + ": no such spec file", "specs that come with Millrace lie in experiments/specs");
  if (error) throw Error(ErrorKind::usage, path + ": cannot be read: " + error.message());
  if (!std::filesystem::is_regular_file(status))
    throw Error(ErrorKind::usage, path + ": is " + name_of(status.type()) + ", not a spec file", "name a TOML file");
  if (std::filesystem::file_size(path, error) > kMaxSpecBytes) throw Error(ErrorKind::usage, path + ": larger than a spec can be (1 MiB)");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorKind::usage, path + ": cannot be read: " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) throw Error(ErrorKind::usage, path + ": cannot be read: " + std::strerror(errno));
  return text.str();
}

/// Keys of which a spec has one: setting it takes the place of the others.
void erase_alternatives(Section& section, const std::string& key) {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> groups{{"data", {"batch", "batch_per_rank", "batch_per_node"}},
                                                                                    {"train", {"epochs", "steps"}}};
  for (const auto& [table, keys] : groups) {
    if (section.name != table || std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    for (const std::string& other : keys) section.erase(other);
  }
}

std::string name_of_operation(const Section& operation) {
  for (const char* key : {"name", "op", "recipe"})
    if (const Entry* e = operation.find(key); e && e->value.is_string()) return e->value.get<std::string>();
  return {};
}

/// `target`: NAME, to switch, or NAME.KEY.
void set_in_operation(Document& document, const std::string& target, const Json& value, const std::string& place) {
  const auto dot = target.find('.');
  const std::string name = target.substr(0, dot), key = dot == std::string::npos ? "enabled" : target.substr(dot + 1);
  bool found = false;
  std::vector<std::string> names;
  for (Section& operation : document.augment) {
    names.push_back(name_of_operation(operation));
    if (names.back() != name) continue;
    operation.set({key, value, place, place});
    found = true;
  }
  if (found) return;
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::usage, place + ": no [[augment]] operation has the name '" + shortened(name) + "'",
              near.empty() ? "give one a name = \"" + shortened(name) + "\"" : "did you mean 'augment." + near + "'?");
}

}  // namespace

const Entry* Section::find(std::string_view key) const {
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return it == entries.end() ? nullptr : &*it;
}

void Section::set(Entry entry) {
  erase(entry.key);
  entries.push_back(std::move(entry));
}

void Section::erase(std::string_view key) {
  std::erase_if(entries, [&](const Entry& e) { return e.key == key; });
}

Section& Document::section(const std::string& name) {
  for (Section& s : sections)
    if (s.name == name) return s;
  return sections.emplace_back(Section{name, file, {}});
}

const Section* Document::find(std::string_view name) const {
  const auto it = std::find_if(sections.begin(), sections.end(), [&](const Section& s) { return s.name == name; });
  return it == sections.end() ? nullptr : &*it;
}

Document parse_document(std::string_view text, const std::string& name) {
  const toml::table root = parse(text, name);
  Document document{name, {}, {}};
  for (const auto& [key, value] : root) {
    if (key.str() == "augment") {
      const auto* list = value.as_array();
      if (!list || std::any_of(list->begin(), list->end(), [](const toml::node& n) { return !n.is_table(); }))
        throw Error(ErrorKind::usage, place_of(name, key.source()) + ": augment is a list of tables",
                    "write [[augment]] and op = \"...\" below it");
      for (const auto& operation : *list) document.augment.push_back(to_section(*operation.as_table(), "augment", name));
    } else if (const auto* table = value.as_table()) {
      Section section = to_section(*table, std::string(key.str()), name);
      section.place = place_of(name, key.source());
      document.sections.push_back(std::move(section));
    } else {
      throw Error(ErrorKind::usage, place_of(name, key.source()) + ": key '" + shortened(key.str()) + "' stands outside a table",
                  "keys belong under [data], [loader], [[augment]], [train] or [study]");
    }
  }
  return document;
}

Document read_document(const std::string& path) { return parse_document(read_text(path), path); }

Json read_toml(const std::string& path) { return to_json(parse(read_text(path), path), path); }

Json parse_value(std::string_view text) {
  try {
    const toml::table table = toml::parse("value = " + std::string(text));
    if (table.size() == 1) return to_json(*table.get("value"), "--set");
  } catch (const toml::parse_error&) {
    // Not TOML: a bare word, perhaps.
  }
  const bool bare =
      !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || std::strchr("_-./:+", c); });
  if (bare) return std::string(text);
  throw Error(ErrorKind::usage, "--set: '" + shortened(text) + "' is not a value",
              "numbers, true, false, [lists], bare words or \"quoted text\"");
}

void override_key(Document& document, const std::string& key, const Json& value, const std::string& place) {
  if (key == "augment") {
    if (!value.is_array() || !value.empty())
      throw Error(ErrorKind::usage, place + ": augment can only be emptied (augment=[]) or switched (augment.NAME=false)");
    document.augment.clear();
    return;
  }
  const auto dot = key.find('.');
  const bool of_operation = key.starts_with("augment.");
  const std::size_t dots = static_cast<std::size_t>(std::count(key.begin(), key.end(), '.'));
  if (dot == std::string::npos || dot == 0 || key.back() == '.' || key.find("..") != std::string::npos || dots > (of_operation ? 2u : 1u))
    throw Error(ErrorKind::usage, shortened(place) + ": '" + shortened(key) + "' is not a key of the form table.key",
                "for example loader.workers");
  const std::string table = key.substr(0, dot), name = key.substr(dot + 1);
  if (of_operation) return set_in_operation(document, name, value, place);
  if (!document.find(table)) document.section(table).place = place;
  Section& section = document.section(table);
  erase_alternatives(section, name);
  section.set({name, value, place, place});
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return std::string(text);
  std::size_t end = kMost - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // Not within a character.
  return std::string(text.substr(0, end)) + "...";
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= std::min<std::size_t>(word.size(), 100); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j)
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (word[i - 1] != candidate[j - 1])}));
    }
    if (row.back() < best_distance) best = candidate, best_distance = row.back();
  }
  return best;
}

}  // namespace millrace
