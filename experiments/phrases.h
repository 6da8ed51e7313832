#pragma once
#include <string>
#include <vector>

namespace millrace {

// Pieces of sentences, made of values.

/// "48.5 %" of .485; "+9.7 %" with a sign.
std::string pct(double share, int decimals = 1);
std::string signed_pct(double share, int decimals = 1);
/// "a, b and c".
std::string joined(const std::vector<std::string>& words);
/// The first few, and how many more there are.
std::string some(const std::vector<std::string>& words, std::size_t most = 6);
/// "1.93 / 2.95 / 1.73".
std::string slashed(const std::vector<double>& values, int decimals);
/// "2.1-3.4"; one number where both ends are written alike.
std::string span(const std::vector<double>& values, int decimals);
std::string span(double low, double high, int decimals);
/// "1 row", "3 rows".
std::string counted(std::size_t n, const std::string& noun);
/// The shortest text of a number: "0.08", "256", "1e-06".
std::string plain(double value);
/// As a shell takes it: quoted where it holds more than letters, digits and a few signs.
std::string shell_word(const std::string& word);
/// "4 or 8".
std::string either(const std::vector<double>& values);

}  // namespace millrace
