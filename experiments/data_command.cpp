// millrace data list|check: which sets are known, where they are looked for, and whether they are the published ones.
#include <cstdio>
#include <filesystem>

#include "experiments/commands.h"
#include "pipeline/error.h"

namespace millrace {

int data_list_command(const Context&) {
  std::printf("data root: %s%s\n\n", data_root().c_str(), std::getenv("MILLRACE_DATA") ? " (MILLRACE_DATA)" : "");
  Table table({"name", "folder", "state"});
  for (const KnownSet& set : known_sets()) {
    DataSpec data;
    data.name = set.name;
    const std::string path = path_of(data);
    std::error_code error;
    table.add({set.name, path.empty() ? "(none)" : path,
               data.name == "folder"                        ? "by data.path"
               : path.empty()                               ? "generated when opened"
               : std::filesystem::is_directory(path, error) ? "found"
                                                            : "missing: " + std::string(set.remedy)});
  }
  std::printf("%s", table.text().c_str());
  return 0;
}

int data_check_command(const std::vector<std::string>& names, const Context& context) {
  Table table({"name", "split", "images", "size", "classes", "fingerprint", "published"});
  int status = 0;
  const auto check = [&](const KnownSet& set, Split split, const std::string& split_name) {
    DataSpec data;
    data.name = set.name;
    data.verify = Verify::warn;
    std::string differs;
    try {
      const auto source = open_source(data, split, [&](const std::string& text) { differs = text; });
      const SourceInfo& info = source->info();
      table.add({set.name, split_name, grouped(double(source->size())),
                 std::to_string(info.raw_size.width) + " x " + std::to_string(info.raw_size.height) + " x " + std::to_string(info.channels),
                 std::to_string(info.classes.size()), info.fingerprint,
                 !*set.folder      ? "generated"
                 : differs.empty() ? "same"
                                   : "differs"});
    } catch (const Error& e) {
      differs = e.what();
      table.add({set.name, split_name, "-", "-", "-", "", "unreadable"});
    }
    if (differs.empty()) return;
    context.out.warning(differs);
    status = exit_code(ErrorKind::data);
  };
  for (const KnownSet& set : known_sets()) {
    DataSpec data;
    data.name = set.name;
    std::error_code error;
    const bool named = std::find(names.begin(), names.end(), set.name) != names.end();
    // Without names: all that are there.
    if (names.empty() ? *set.folder && !std::filesystem::is_directory(path_of(data), error) : !named) continue;
    if (data.name == "folder")
      throw Error(ErrorKind::usage, "data check: a folder has no published sums", "millrace bench loader reads every picture");
    check(set, Split::train, "train");
    check(set, Split::test, "test");
    if (context.stop.stop_requested()) break;
  }
  for (const std::string& name : names) known_set(name);
  std::printf("%s", table.text().c_str());
  return status;
}

}  // namespace millrace
