#include "experiments/slow_ranks.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "experiments/loader_stats.h"
#include "experiments/terminal.h"

namespace millrace {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

template <class Of>
double median_of_others(std::span<const train::RankResult> ranks, const train::RankResult& but, Of&& of) {
  std::vector<double> values;
  for (const train::RankResult& r : ranks)
    if (&r != &but) values.push_back(of(r));
  return median(std::move(values));
}

/// The busy phase in which this rank is most seconds behind the others.
std::string slowest_phase(std::span<const train::RankResult> ranks, const train::RankResult& rank) {
  using Phases = train::Phases;
  constexpr std::pair<const char*, double Phases::*> kBusy[] = {
      {"upload", &Phases::upload}, {"forward", &Phases::forward}, {"backward", &Phases::backward}, {"optimizer", &Phases::optimizer}, {"other", &Phases::other}};
  std::string name;
  double most = 0;
  for (const auto& [phase, part] : kBusy) {
    const double behind = rank.phases.*part - median_of_others(ranks, rank, [part = part](const auto& r) { return r.phases.*part; });
    if (name.empty() || behind > most) name = phase, most = behind;
  }
  return name;
}

}  // namespace

Json slow_ranks(std::span<const train::RankResult> ranks, const std::vector<std::string>& stages) {
  Json out = Json::array();
  if (ranks.size() < 2) return out;
  for (const train::RankResult& rank : ranks) {
    const auto times = [&](auto&& of) {
      const double others = median_of_others(ranks, rank, of);
      return others > 0 ? of(rank) / others : 0;
    };
    const double busy = times([](const auto& r) { return r.step_busy_seconds; });
    const double own = times([](const auto& r) { return r.step_own_seconds; });
    if (busy >= kSlowRank) {
      out.push_back({{"rank", rank.rank}, {"times", busy}, {"phase", slowest_phase(ranks, rank)}});
    } else if (own >= kSlowRank) {
      out.push_back({{"rank", rank.rank}, {"times", own}, {"phase", "wait"}});
      const auto r = static_cast<std::size_t>(rank.rank);
      if (r < stages.size() && !stages[r].empty()) out.back()["stage"] = stages[r];
    }
  }
  return out;
}

std::string slow_ranks_text(const Json& epoch) {
  std::string out;
  for (const Json& slow : epoch.value("slow_ranks", Json::array()))
    out += ", rank " + std::to_string(slow.value("rank", 0)) + " took " + fixed(slow.value("times", 0.0), 2) + " times as long as the others (" + slow.value("phase", "") +
           (slow.contains("stage") ? ": " + slow.value("stage", "") : "") + ")";
  return out;
}

std::string busiest_stage(const LoaderReport& report) {
  double read = 0;
  for (const auto& s : report.stages)
    if (s.stage == Stage::read) read = s.stats.busy_seconds;
  std::string name;
  double most = 0;
  for (const auto& s : report.stages) {
    const double busy = s.stats.busy_seconds - (s.stage == Stage::decode ? read : 0);  // Reading happens within decode.
    if (busy > most) name = name_of(s.stage), most = busy;
  }
  return name;
}

}  // namespace millrace
