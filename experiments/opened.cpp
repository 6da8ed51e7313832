#include "experiments/opened.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "datasets/class_order.h"
#include "experiments/printable.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

constexpr std::size_t kNamed = 12;

/// "a, b, c", or of many "a, b, ..., z".
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool skip = names.size() > kNamed && i >= kNamed - 2 && i + 1 < names.size();
    if (skip && i > kNamed - 2) continue;
    out += (i ? ", " : "") + (skip ? std::string("...") : names[i]);
  }
  return printable(out);
}

std::string whole_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error).lexically_normal();
  return error ? path : whole.string();
}

std::string counted_classes(std::size_t count) { return std::to_string(count) + (count == 1 ? " class" : " classes"); }

}  // namespace

std::vector<std::string> class_names(const SourceInfo& info) {
  std::vector<std::string> out;
  for (const std::string& name : info.classes) out.push_back(printable(name));
  return out;
}

std::string opened_text(const Source& source) {
  const SourceInfo& info = source.info();
  return info.name + (info.path.empty() ? "" : " " + printable(whole_path(info.path))) + ": " + grouped(double(source.size())) + " images, " +
         counted_classes(info.classes.size()) + " (" + listed(info.classes) + ")";
}

Json opened_record(const Source& source) {
  const SourceInfo& info = source.info();
  Json out{{"name", info.name}, {"images", source.size()}, {"fingerprint", info.fingerprint}, {"classes", class_names(info)}};
  if (!info.path.empty()) out["path"] = printable(whole_path(info.path));
  if (!info.class_sizes.empty()) out["class_sizes"] = info.class_sizes;
  return out;
}

std::string remark_on_classes(const SourceInfo& info) {
  static constexpr std::array<std::string_view, 8> kSplits = {"train", "training", "val", "valid", "validation", "test", "testing", "eval"};
  std::vector<std::string> found;
  for (const std::string& name : info.classes)
    if (std::ranges::find(kSplits, name) != kSplits.end()) found.push_back(name);
  if (found.empty()) return {};
  return whole_path(info.path) + ": " + counted_classes(found.size()) + " called " + listed(found) +
         ": is one of these the folder that was meant (data.path, data.test_path)?";
}

std::string remark_on_missing_classes(const SourceInfo& test) {
  const std::vector<std::string> empty = empty_classes(test);
  if (empty.empty()) return {};
  return (test.path.empty() ? test.name : whole_path(test.path)) + ": no picture of " + counted_classes(empty.size()) + " of the " + std::to_string(test.classes.size()) +
         " that are trained (" + listed(empty) + "): the accuracy says nothing of " + (empty.size() == 1 ? "it" : "them");
}

}  // namespace millrace
