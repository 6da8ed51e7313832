#include "experiments/phrases.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string_view>

#include "experiments/terminal.h"

namespace millrace {

std::string pct(double share, int decimals) { return fixed(100 * share, decimals) + " %"; }

std::string signed_pct(double share, int decimals) { return (share > 0 ? "+" : "") + pct(share, decimals); }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return out;
}

std::string some(const std::vector<std::string>& words, std::size_t most) {
  if (words.size() <= most) return joined(words);
  std::vector<std::string> first(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(most));
  first.push_back(std::to_string(words.size() - most) + " more");
  return joined(first);
}

std::string slashed(const std::vector<double>& values, int decimals) {
  std::string out;
  for (const double v : values) out += (out.empty() ? "" : " / ") + fixed(v, decimals);
  return out;
}

std::string span(double low, double high, int decimals) {
  const std::string a = fixed(low, decimals), b = fixed(high, decimals);
  return a == b ? a : a + "-" + b;
}

std::string span(const std::vector<double>& values, int decimals) {
  if (values.empty()) return "-";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return span(*low, *high, decimals);
}

std::string counted(std::size_t n, const std::string& noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); }

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string shell_word(const std::string& word) {
  const auto safe = [](unsigned char c) { return std::isalnum(c) || std::string_view("_-./=:,@%+").find(char(c)) != std::string_view::npos; };
  if (!word.empty() && std::all_of(word.begin(), word.end(), safe)) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string either(const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double v : values)
    if (const std::string text = plain(v); std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : " or ") + text;
  return out;
}

}  // namespace millrace
