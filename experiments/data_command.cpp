// millrace data list|check: which sets are known, where they are looked for, whether they are the published ones, and what folders hold.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "datasets/class_order.h"
#include "experiments/commands.h"
#include "experiments/folder_check.h"
#include "experiments/opened.h"
#include "experiments/printable.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

/// A split of a known set, opened whole.
struct Checked {
  std::unique_ptr<Source> source;  ///< Null: it cannot be read.
  std::string differs;             ///< What is wrong, or not as published; empty: nothing.
};

Checked open_known(const KnownSet& set, Split split) {
  Checked out;
  DataSpec data;
  data.name = set.name;
  try {
    out.source = open_source(data, split, [&](const std::string& text) { out.differs += (out.differs.empty() ? "" : "; ") + text; });
  } catch (const Error& e) {
    out.differs = e.what();
  }
  return out;
}

bool by_path_alone(const KnownSet& set) { return std::string_view(set.name) == "folder" || std::string_view(set.name) == "idx"; }
bool generated(const KnownSet& set) { return !*set.folder && !by_path_alone(set); }

bool is_there(const KnownSet& set) {
  DataSpec data;
  data.name = set.name;
  std::error_code error;
  return generated(set) || (!by_path_alone(set) && std::filesystem::is_directory(path_of(data), error));
}

/// "60,000 train, 10,000 test", with what is wrong or missing of each.
std::string state_of(const KnownSet& set) {
  if (by_path_alone(set)) return "by data.path";
  if (generated(set)) return "generated when opened";
  if (!is_there(set)) return "missing: " + std::string(set.remedy);
  std::string images, remarks;
  for (const auto& [split, name] : {std::pair{Split::train, "train"}, {Split::test, "test"}}) {
    const Checked checked = open_known(set, split);
    images += (images.empty() ? "" : ", ") + (checked.source ? grouped(double(checked.source->size())) + " " + name : "no " + std::string(name));
    if (!checked.differs.empty()) remarks += "; " + checked.differs;
  }
  return (remarks.empty() ? "found: " : "found, but not as published: ") + images + remarks;
}

void check_known(const KnownSet& set, Table& table, const Context& context, int& status) {
  for (const auto& [split, name] : {std::pair{Split::train, "train"}, {Split::test, "test"}}) {
    const Checked checked = open_known(set, split);
    if (checked.source) {
      const SourceInfo& info = checked.source->info();
      table.add({set.name, name, grouped(double(checked.source->size())),
                 std::to_string(info.raw_size.width) + " x " + std::to_string(info.raw_size.height) + " x " + std::to_string(info.channels),
                 std::to_string(info.classes.size()), info.fingerprint, generated(set) ? "generated" : checked.differs.empty() ? "same" : "differs"});
    } else {
      table.add({set.name, name, "-", "-", "-", "", "unreadable"});
    }
    if (checked.differs.empty()) continue;
    context.out.warning(checked.differs);
    status = exit_code(ErrorKind::data);
  }
}

/// Of a set in memory opening it has read and checked everything.
void print_check(const Source& source, const DataSpec& data, const Context& context, int& status) {
  if (!(source.info().raw_size == Size{})) {
    std::printf("%s\n", opened_text(source).c_str());
    return;
  }
  const FolderCheck check = check_pictures(source, [&data] { return make_decoder(data); }, context.stop, [&](std::uint64_t done) {
    context.out.progress("data check: " + grouped(double(done)) + "/" + grouped(double(source.size())) + " pictures");
  });
  context.out.clear();
  std::printf("%s", printable_lines(text_of(check, source)).c_str());
  if (check.bad_in_all()) status = exit_code(ErrorKind::data);
}

/// A spec's sets, the test set with the question whether its classes are the training set's; or a folder's by its path.
void check_named(const std::string& name, const Context& context, int& status) {
  const auto warn = [&](const std::string& text) { context.out.warning(text); };
  const bool is_spec = !std::filesystem::is_directory(name);
  const DataSpec data = is_spec ? read_spec({.spec = name}, context).data : DataSpec{.name = "folder", .path = std::filesystem::absolute(name).string()};
  DataSpec whole = data;
  whole.extra_us_per_read.clear();
  whole.subset = 0;
  const bool folder = data.name == "folder";
  const auto train = open_source(whole, Split::train, warn);
  print_check(*train, data, context, status);
  if (context.stop.stop_requested() || (folder && data.test_path.empty())) return;
  if (folder) whole.path = data.test_path;
  auto test = open_source(whole, Split::test, warn);
  std::printf("\n");
  print_check(*test, data, context, status);
  test = with_classes_of(std::move(test), train->info());
  if (const std::string remark = remark_on_missing_classes(test->info()); !remark.empty()) warn(remark);
}

}  // namespace

int data_list_command(const Context& context) {
  std::printf("data root: %s%s\n\n", data_root().c_str(), std::getenv("MILLRACE_DATA") ? " (MILLRACE_DATA)" : "");
  Table table({"name", "folder", "state"});
  for (const KnownSet& set : known_sets()) {
    DataSpec data;
    data.name = set.name;
    const std::string path = path_of(data);
    table.add({set.name, path.empty() ? "(none)" : path, state_of(set)});
    if (context.stop.stop_requested()) break;
  }
  std::printf("%s", table.text().c_str());
  return 0;
}

int data_check_command(const std::vector<std::string>& names, const Context& context) {
  const auto is_known = [](const std::string& name) {
    return std::ranges::any_of(known_sets(), [&](const KnownSet& set) { return set.name == name && !by_path_alone(set); });
  };
  for (const std::string& name : names)
    if (std::error_code error; !is_known(name) && !std::filesystem::exists(name, error))
      throw Error(ErrorKind::usage, "data check: '" + name + "' is neither a known set nor a folder nor a spec", "millrace data list names the known sets");
  Table table({"name", "split", "images", "size", "classes", "fingerprint", "published"});
  int status = 0;
  for (const KnownSet& set : known_sets()) {
    const bool wanted = names.empty() ? is_there(set) : std::ranges::find(names, set.name) != names.end();
    if (wanted && !by_path_alone(set) && !context.stop.stop_requested()) check_known(set, table, context, status);
  }
  if (!table.empty()) std::printf("%s", table.text().c_str());
  for (const std::string& name : names)
    if (!is_known(name) && !context.stop.stop_requested()) check_named(name, context, status);
  return status;
}

}  // namespace millrace
