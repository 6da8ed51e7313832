#include "experiments/agreement.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/host.h"
#include "experiments/opened.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

const std::string kAbsent = "nothing";

std::string value_in(const Facts& facts, const std::string& name) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  return found == facts.end() ? kAbsent : found->second;
}

/// Names in the order of first appearance.
std::vector<std::string> names_of(const std::vector<Facts>& by_rank) {
  std::vector<std::string> out;
  for (const Facts& facts : by_rank)
    for (const auto& [name, value] : facts)
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  return out;
}

std::string shown(const std::string& value) { return value.size() > 60 ? value.substr(0, 57) + "..." : value; }

}  // namespace

Facts facts_of_classes(const Source& source, const Source* test) {
  const auto text = [](const Source& of) { return of.info().name + ", " + std::to_string(of.size()) + " samples, " + of.info().fingerprint; };
  Facts out;
  const std::vector<std::string> classes = class_names(source.info());
  for (std::size_t c = 0; c < classes.size(); ++c) out.emplace_back("class " + std::to_string(c), classes[c]);
  out.emplace_back("the test set", test ? text(*test) : kAbsent);
  return out;
}

Facts facts_of(const Spec& spec, const Source& source, const train::Versions& versions) {
  Facts out;
  const Json settings = to_json(spec);
  for (const auto& [table, keys] : settings.items()) {
    if (!keys.is_object()) out.emplace_back(table, keys.dump());
    else
      for (const auto& [key, value] : keys.items()) out.emplace_back(table + "." + key, value.dump());
  }
  out.emplace_back("the data set", source.info().name + ", " + std::to_string(source.size()) + " samples, " + source.info().fingerprint);
  out.emplace_back("Millrace's version", std::string(version()) + " " + build_commit());
  out.emplace_back("LibTorch's version", versions.torch);
  out.emplace_back("CUDA's version", versions.cuda);
  out.emplace_back("NCCL's version", versions.nccl);
  return out;
}

std::string to_words(const Facts& facts) {
  Json out = Json::array();
  for (const auto& [name, value] : facts) out.push_back({name, value});
  return out.dump();
}

Facts facts_from(const std::string& words, int rank) {
  const Json read = Json::parse(words, nullptr, false);
  Facts out;
  if (read.is_array())
    for (const Json& pair : read)
      if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string())
        out.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  if (out.empty() || out.size() != read.size())
    throw Error(ErrorKind::communication, "rank " + std::to_string(rank) + " does not say what it runs: is it of another version of Millrace?");
  return out;
}

std::string difference_of(const std::vector<Facts>& by_rank) {
  for (const std::string& name : names_of(by_rank)) {
    std::map<std::string, int> votes;
    std::vector<std::string> values;
    for (const Facts& facts : by_rank) ++votes[values.emplace_back(value_in(facts, name))];
    if (votes.size() < 2) continue;
    std::size_t usual = 0, other = 0; // The first rank that says what most say; the first of the fewest.
    for (std::size_t r = 1; r < values.size(); ++r)
      if (votes[values[r]] > votes[values[usual]]) usual = r;
    for (std::size_t r = 0; r < values.size(); ++r) {
      const bool differs = values[r] != values[usual];
      if (differs && (values[other] == values[usual] || votes[values[r]] < votes[values[other]])) other = r;
    }
    return "rank " + std::to_string(other) + " differs in " + name + ": " + shown(values[other]) + ", where rank " + std::to_string(usual) +
           " has " + shown(values[usual]);
  }
  return {};
}

void agree(train::World& world, const Facts& facts) {
  std::vector<Facts> by_rank;
  for (const std::string& words : world.all_gather(to_words(facts))) by_rank.push_back(facts_from(words, static_cast<int>(by_rank.size())));
  const std::string difference = difference_of(by_rank);
  if (!difference.empty())
    throw Error(ErrorKind::communication, difference, "all ranks of a run need the same spec, data, model and versions");
}

}  // namespace millrace
