// millrace profile: where a second goes, and what would buy it back.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "experiments/commands.h"
#include "experiments/profile_report.h"
#include "experiments/tune.h"
#include "experiments/text_file.h"

namespace millrace {

int profile_command(const SpecArguments& arguments, const Context& context) {
  Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  settle_workers(spec, sources, context);
  const Profile profile = profile_of(spec, measure_legs(spec, sources, context, {.seconds = arguments.seconds}));
  context.out.clear();
  if (context.stop.stop_requested()) return 0;  // Half a round says nothing.
  Json record = to_json(profile);
  record["spec"] = arguments.spec;
  record["spec_digest"] = digest_of(spec);
  record["settings"] = to_json(spec);
  record["command"] = context.command;
  record["commit"] = build_commit();
  record["host"] = to_json(context.host);
  record["notes"] = spec.warnings;
  std::printf("%s", profile_text(profile).c_str());
  if (!arguments.out.empty()) {
    const std::string machine = context.host.cpu + ", " + std::to_string(context.host.cores) + " cores; commit " + build_commit();
    const auto warn = [&](const std::string& text) { context.out.warning(text); };
    std::string names;
    for (const std::string& file : write_profile(arguments.out, profile, record, context.command, machine, warn)) names += " " + file;
    std::printf("\nwritten:%s\n", names.c_str());
  }
  if (arguments.json) std::printf("%s\n", line_of(record).c_str());
  return 0;
}

}  // namespace millrace
