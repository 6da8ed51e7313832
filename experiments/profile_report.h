#pragma once
#include <functional>
#include <string>
#include <vector>

#include "experiments/json.h"
#include "experiments/legs.h"

namespace millrace {

/// A profile with what follows from its legs: all that is printed, written and drawn.
struct Profile {
  Spec spec;
  LegsMeasured legs;
  Verdict verdict;
  Stalls stalls;
  std::vector<WhatIf> changes;
};
Profile profile_of(const Spec& spec, LegsMeasured legs);

/// For the terminal: tables under one another, the verdict among them.
std::string profile_text(const Profile& profile);
/// The same as Markdown, with the command that made it.
std::string profile_markdown(const Profile& profile, const std::string& command, const std::string& machine);
/// legs {L C T A E X}: images/s, predicted, measured, verdict, confidence and the rest (experiments/README.md lists them).
Json to_json(const Profile& profile);

/// The verdict in a sentence of numbers.
std::string verdict_sentence(const Profile& profile);

/// Writes folder/profile.md, profile.json and profile.svg/.png (a bar a leg). Returns their names; a missing gnuplot is a warning.
/// Errors: Error(data) for a folder that cannot be written.
std::vector<std::string> write_profile(const std::string& folder, const Profile& profile, const Json& record, const std::string& command,
                                       const std::string& machine, const std::function<void(const std::string&)>& warn);

}  // namespace millrace
