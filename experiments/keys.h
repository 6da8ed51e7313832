#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/document.h"

namespace millrace {

/// "2 GiB", "512 MiB", "64 KiB", "1.5 GiB", "4096", "4096 bytes". Empty: it is none of these, or no whole number of bytes below 2^62.
std::optional<std::uint64_t> parse_bytes(const std::string& text);

/// What walks over the keys of one table: each key is named once, in spec.cpp, and from that one list settings are read
/// (KeyReader) and written (KeyWriter).
class Keys {
 public:
  virtual ~Keys() = default;
  virtual bool reading() const = 0;
  /// Reading: whether the table has the key.
  virtual bool has(const char* name) const = 0;
  virtual void boolean(const char* name, bool& value) = 0;
  virtual void integer(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high) = 0;
  /// The same, or a word in its place.
  virtual void integer_or(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high, const char* word, std::int64_t meaning) = 0;
  virtual void number(const char* name, double& value, double low, double high) = 0;
  /// `allowed` empty: any text.
  virtual void text(const char* name, std::string& value, const std::vector<std::string>& allowed) = 0;
  /// A size in memory: "2 GiB", "512 MiB", a number of bytes; "auto" is 0.
  virtual void bytes(const char* name, std::uint64_t& value) = 0;
  /// A list of numbers, or one number as a list of one. Empty: absent.
  virtual void numbers(const char* name, std::vector<double>& value, std::vector<std::size_t> counts, double low, double high) = 0;
  /// A list of texts. Empty: absent.
  virtual void texts(const char* name, std::vector<std::string>& value) = 0;
  /// Reading: what is wrong with the key beyond its type, or that it is missing. Errors: Error(usage) at its place.
  virtual void refuse(const char* name, const std::string& what, const std::string& hint) const = 0;

  template <class T>
  void whole(const char* name, T& value, std::int64_t low, std::int64_t high) {
    auto v = static_cast<std::int64_t>(value);
    integer(name, v, low, high);
    value = static_cast<T>(v);
  }
  template <class T>
  void whole_or(const char* name, T& value, std::int64_t low, std::int64_t high, const char* word, T meaning) {
    auto v = static_cast<std::int64_t>(value);
    integer_or(name, v, low, high, word, static_cast<std::int64_t>(meaning));
    value = static_cast<T>(v);
  }
  template <class E>
  void choice(const char* name, E& value, const std::vector<std::pair<std::string, E>>& names) {
    std::string word;
    std::vector<std::string> allowed;
    for (const auto& [text_of, v] : names) {
      allowed.push_back(text_of);
      if (v == value) word = text_of;
    }
    text(name, word, allowed);
    for (const auto& [text_of, v] : names)
      if (text_of == word) value = v;
  }
};

class KeyReader final : public Keys {
 public:
  KeyReader(const Section& section, std::string label) : section_(section), label_(std::move(label)) {}
  bool reading() const override { return true; }
  bool has(const char* name) const override { return section_.find(name) != nullptr; }
  void boolean(const char* name, bool& value) override;
  void integer(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high) override;
  void integer_or(const char* name, std::int64_t& value, std::int64_t low, std::int64_t high, const char* word, std::int64_t meaning) override;
  void number(const char* name, double& value, double low, double high) override;
  void text(const char* name, std::string& value, const std::vector<std::string>& allowed) override;
  void bytes(const char* name, std::uint64_t& value) override;
  void numbers(const char* name, std::vector<double>& value, std::vector<std::size_t> counts, double low, double high) override;
  void texts(const char* name, std::vector<std::string>& value) override;
  [[noreturn]] void refuse(const char* name, const std::string& what, const std::string& hint) const override;
  /// Errors: Error(usage) for the first key that nobody asked for, with the nearest known one.
  void finish() const;

 private:
  const Entry* take(const char* name);
  [[noreturn]] void mistyped(const Entry& entry, const std::string& expected) const;

  const Section& section_;
  std::string label_;
  std::vector<std::string> known_;
};

class KeyWriter final : public Keys {
 public:
  bool reading() const override { return false; }
  bool has(const char*) const override { return true; }
  void boolean(const char* name, bool& value) override { out[name] = value; }
  void integer(const char* name, std::int64_t& value, std::int64_t, std::int64_t) override { out[name] = value; }
  void integer_or(const char* name, std::int64_t& value, std::int64_t, std::int64_t, const char* word, std::int64_t meaning) override {
    if (value == meaning)
      out[name] = word;
    else
      out[name] = value;
  }
  void number(const char* name, double& value, double, double) override { out[name] = value; }
  void text(const char* name, std::string& value, const std::vector<std::string>&) override { out[name] = value; }
  void bytes(const char* name, std::uint64_t& value) override { out[name] = value ? Json(value) : Json("auto"); }
  void numbers(const char* name, std::vector<double>& value, std::vector<std::size_t>, double, double) override {
    if (!value.empty()) out[name] = value;
  }
  void texts(const char* name, std::vector<std::string>& value) override {
    if (!value.empty()) out[name] = value;
  }
  void refuse(const char*, const std::string&, const std::string&) const override {}
  Json out = Json::object();
};

}  // namespace millrace
