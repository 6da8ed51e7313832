#include "golden_set.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace millrace::test {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::ifstream open(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return file;
}

std::vector<std::uint8_t> whole(const std::string& path) {
  auto file = open(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Calls `line(fields)` for each line after the header; checks their count.
template <class F>
void each_line(const std::string& path, std::size_t fields, F&& line) {
  auto file = open(path);
  std::string text;
  std::getline(file, text);
  while (std::getline(file, text)) {
    const auto parts = split(text, ',');
    if (parts.size() != fields) throw std::runtime_error(path + ": a line of " + std::to_string(parts.size()) + " fields: " + text);
    line(parts);
  }
}

class Records {
 public:
  explicit Records(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}
  std::vector<std::uint8_t> take(const std::string& offset, const std::string& count) {
    const std::size_t at = std::stoul(offset), n = std::stoul(count);
    if (at != end_ || at + n > bytes_.size()) throw std::runtime_error("record at " + offset + " leaves a gap or ends beyond the file");
    end_ = at + n;
    return {bytes_.begin() + static_cast<std::ptrdiff_t>(at), bytes_.begin() + static_cast<std::ptrdiff_t>(end_)};
  }
  void check_end() const {
    if (end_ != bytes_.size()) throw std::runtime_error("bytes are left after the last record");
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t end_ = 0;
};

}  // namespace

GoldenParameters::GoldenParameters(const std::string& text) {
  if (text.empty()) return;
  for (const std::string& pair : split(text, ';')) {
    const auto at = pair.find('=');
    if (at == std::string::npos) throw std::runtime_error("parameter without value: " + pair);
    char* end = nullptr;
    const std::string value = pair.substr(at + 1);
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0') throw std::runtime_error("not a number: " + pair);
    values_[pair.substr(0, at)] = {number, false};
  }
}

double GoldenParameters::real(const std::string& key) {
  const auto it = values_.find(key);
  if (it == values_.end()) throw std::runtime_error("no parameter " + key);
  it->second.read = true;
  return it->second.number;
}

std::string GoldenParameters::unread() const {
  std::string text;
  for (const auto& [key, value] : values_)
    if (!value.read) text += key + " ";
  return text;
}

bool golden_folder_is_ours() {
  const char* other = std::getenv("MILLRACE_GOLDEN");
  return other == nullptr || *other == '\0';
}

std::string golden_folder() {
  return golden_folder_is_ours() ? std::string(MILLRACE_SOURCE_DIR) + "/tests/golden" : std::getenv("MILLRACE_GOLDEN");
}

GoldenSet read_golden(const std::string& folder) {
  GoldenSet set;
  Records images(whole(folder + "/images.bin")), expected(whole(folder + "/expect.bin"));
  each_line(folder + "/images.csv", 6, [&](const auto& f) {
    set.images[f[0]] = {std::stoi(f[1]), std::stoi(f[2]), std::stoi(f[3]), images.take(f[4], f[5])};
  });
  each_line(folder + "/cases.csv", 12, [&](const auto& f) {
    set.cases.push_back({std::stoi(f[0]), f[1], f[2], f[3], f[4], f[8], f[11], std::stoi(f[5]), std::stoi(f[6]), std::stoi(f[7]),
                         expected.take(f[9], f[10])});
    if (set.cases.back().number != static_cast<int>(set.cases.size()) - 1)
      throw std::runtime_error("case " + f[0] + " stands at another line");
    if (set.images.count(f[3]) == 0) throw std::runtime_error("case " + f[0] + " names an unknown image " + f[3]);
  });
  images.check_end();
  expected.check_end();
  return set;
}

}  // namespace millrace::test
