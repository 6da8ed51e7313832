#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/json.h"

namespace millrace {

/// One `key = value` of a spec, with the place it came from ("file:line:column", or "--set key").
struct Entry {
  std::string key;
  Json value;
  std::string key_place, value_place;
};

/// One table of a spec: [data], [loader], ... or one [[augment]].
struct Section {
  std::string name, place;
  std::vector<Entry> entries;

  const Entry* find(std::string_view key) const;
  void set(Entry entry);  ///< Replaces an entry of the same key.
  void erase(std::string_view key);
};

/// A spec as text says it: tables of keys with places, nothing judged yet but its shape (two levels).
struct Document {
  std::string file;
  std::vector<Section> sections;  ///< Without the augment entries.
  std::vector<Section> augment;

  Section& section(const std::string& name);  ///< Made where it is missing.
  const Section* find(std::string_view name) const;
};

/// Errors: Error(usage) "file:line:column: ..." for what is not TOML, Error(usage) for a file that cannot be read.
Document read_document(const std::string& path);
Document parse_document(std::string_view text, const std::string& name);
/// Any TOML file as JSON (published tables). Errors: as above.
Json read_toml(const std::string& path);

/// The value of `--set key=value`: a TOML value; a bare word is a string.
Json parse_value(std::string_view text);

/// Puts `key` ("loader.workers", "augment.affine") to `value`. Setting one batch key removes the other two, setting one
/// of train.epochs and train.steps the other;
/// `augment.NAME = true|false` switches the operations of that name, `augment.NAME.KEY` sets one of their keys;
/// `augment = []` removes all.
/// Errors: Error(usage) for a key without a table, or a name that no operation has.
void override_key(Document& document, const std::string& key, const Json& value, const std::string& place);

/// What a message repeats of a text that may be of any length: about 60 bytes, whole characters of UTF-8.
std::string shortened(std::string_view text);

/// The nearest of `known` by edit distance, or an empty string where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace millrace
