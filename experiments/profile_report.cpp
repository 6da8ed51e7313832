#include "experiments/profile_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "experiments/gnuplot.h"
#include "experiments/loader_stats.h"
#include "experiments/terminal.h"
#include "experiments/text_file.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

struct Leg {
  char letter;
  std::string what;
  const Reading* reading;
};

std::vector<Leg> legs_of(const LegReadings& r) {
  return {{'L', "the loader, nobody training", &r.loader},
          {'C', r.ranks > 1 ? "compute, each rank alone" : "compute on resident batches", &r.compute},
          {'T', r.transfers ? "transfer to the device" : "handing over (no transfer on the CPU)", &r.transfer},
          {'A', r.ranks > 1 ? "compute with all-reduce" : "compute with all-reduce (one rank: C)", &r.reduced},
          {'X', "everything, batches replayed", &r.replayed},
          {'E', "everything", &r.everything}};
}

/// An image's microseconds.
std::string us(double seconds) { return significant(1e6 * seconds, 3); }
std::string percent(double share, int decimals = 1) { return fixed(100 * share, decimals) + " %"; }
/// Of what cannot exceed the whole: a reading that does is off by noise, and says so.
std::string percent_of_whole(double share) { return share > 1.0005 ? "100 % (" + percent(share) + " by the readings, which is noise)" : percent(share); }
/// What something costs beyond nothing. A negative reading is noise.
std::string cost_us(double seconds) { return seconds > 0 ? us(seconds) : "0"; }
std::string interval_text(const Reading& r) { return r.has_interval() ? significant(r.low) + "-" + significant(r.high) : "-"; }
std::string signed_percent(double share) { return (share >= 0 ? "+" : "") + fixed(100 * share, 1); }
/// Of what grows beyond measure (a trainer of no time), how many times.
std::string gain_text(double gain) { return gain < 10 ? signed_percent(gain) : significant(gain + 1, 3) + " times"; }

/// Time an image, to scale; the longest leg is kBar wide.
constexpr double kBar = 24;
constexpr int kRoundsOfAnInterval = 6;  ///< Fewer have a range, and no interval of 95 %.
std::string bar(double seconds, double longest) {
  std::string out;
  const int eighths = static_cast<int>(std::lround(8 * kBar * seconds / longest));
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  static const char* const kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  return out + kParts[eighths % 8];
}

Table leg_table(const Profile& p) {
  Table table({"leg", "", "images/s", p.legs.rounds < kRoundsOfAnInterval ? "range" : "95 % interval", "width %", "us/image", "time an image"});
  double longest = 0;
  for (const Leg& leg : legs_of(p.legs.readings)) longest = std::max(longest, 1 / leg.reading->median);
  for (const Leg& leg : legs_of(p.legs.readings)) {
    const Reading& r = *leg.reading;
    table.add({std::string(1, leg.letter), leg.what, significant(r.median), interval_text(r), r.has_interval() ? fixed(100 * r.width(), 1) : "-",
               us(1 / r.median), bar(1 / r.median, longest)});
  }
  return table;
}

/// How the prediction came about.
std::string prediction_text(const Profile& p) {
  const Rates r = rates_of(p.legs.readings);
  if (r.workers == 0) return "1 / (1/L + 1/A), one thread does both";
  if (r.shared() < std::min({r.loader, r.transfer, r.reduced}))
    return significant(r.cores, 3) + " cores / (" + us(r.loader_cpu) + " us of CPU an image to load + " + us(r.reduced_cpu) + " to train)";
  return p.legs.readings.transfers ? "min(L, T, A)" : "min(L, A)";
}

std::string summary(const Profile& p) {
  const Stalls& s = p.stalls;
  const LegReadings& r = p.legs.readings;
  const double image = 1 / r.everything.median;
  const auto line = [](const std::string& name, const std::string& text) { return name + std::string(14 - std::min<std::size_t>(13, name.size()), ' ') + text + "\n"; };
  std::string out;
  out += line("predicted", significant(p.verdict.predicted) + " images/s: " + prediction_text(p));
  out += line("measured", significant(r.everything.median) + " images/s, " + percent_of_whole(s.overlap) + " of it (overlap efficiency)");
  out += line("utilisation", percent_of_whole(s.utilisation) + " of the time the trainer computes (time C / time E)");
  out += line("prep stall", cost_us(s.prep) + " us an image, " + percent(std::max(0.0, s.prep / image)) + " of the time (predicted " + cost_us(s.prep_predicted) + " us)");
  if (r.cold)
    out += line("fetch stall", cost_us(s.fetch) + " us an image from a cold page cache; the loader then does " + significant(r.cold.median) + " images/s for " +
                                   significant(r.warm.median));
  else
    out += line("fetch stall", "not measured: " + r.no_cold);
  out += line("floor", "resident batches (X) take " + us(1 / r.replayed.median) + " us an image: " + (s.gap > 0 ? gain_text(s.gap) + (s.gap < 10 ? " %" : " that") + " is the gap to it" : "no gap to it"));
  return out;
}

Table change_table(const Profile& p) {
  Table table({"what if", "images/s", "gain %", "rests on"});
  for (const WhatIf& w : p.changes) table.add({w.change, significant(w.rate), w.noise ? "none found" : gain_text(w.gain), w.note});
  return table;
}

/// A bucket of the histogram is known, not the value in it.
std::string bound_text(const StageStats& s, double quantile) { return "< " + significant(quantile_us(s, quantile), 3); }

Table stages_table(const LoaderReport& report) {
  Table table({"stage", "us/image", "share %", "p50 us", "p95 us", "p99 us", "messages"});
  const double all = busy_seconds(report);
  for (const auto& [stage, s] : report.stages) {
    if (!s.messages) continue;
    const std::string name = stage == Stage::decode && report.stages[std::size_t(Stage::read)].stats.messages ? "decode, with read" : name_of(stage);
    table.add({name, significant(1e6 * s.busy_seconds / double(std::max<std::uint64_t>(1, s.images)), 3), fixed(100 * s.busy_seconds / std::max(1e-12, all), 1),
               bound_text(s, 0.5), bound_text(s, 0.95), bound_text(s, 0.99), grouped(double(s.messages))});
  }
  return table;
}

Table phases_table(const LegsMeasured& legs) {
  Table table({"phase", "us/image", "share %"});
  const double images = legs.wall_seconds * legs.readings.everything.median / legs.readings.ranks;
  const Json phases = to_json(legs.phases);
  const auto add = [&](const std::string& name, double seconds) {
    if (seconds > 1e-5 * legs.wall_seconds) table.add({name, us(seconds / images), fixed(100 * seconds / legs.wall_seconds, 1)});
  };
  for (const char* name : {"wait", "upload", "forward", "backward", "reduce", "optimizer", "other"}) add(name, phases[name].get<double>());
  add("unaccounted", std::abs(legs.unaccounted_seconds));
  return table;
}

Table queue_table(const LoaderReport& everything) {
  Table table({"queue of rank", "empty %", "full %", "waits a 100 pops", "deepest"});
  for (std::size_t r = 0; r < everything.queues.size(); ++r) {
    const QueueStats& q = everything.queues[r];
    const double seconds = std::max(1e-12, q.seconds);
    table.add({std::to_string(r), fixed(100 * q.empty_seconds / seconds, 1), fixed(100 * q.full_seconds / seconds, 1),
               fixed(100 * double(q.waits) / double(std::max<std::uint64_t>(1, q.pops)), 1), std::to_string(q.max_depth)});
  }
  return table;
}

Table slow_table(const LegsMeasured& legs) {
  Table table({"slowest", "ms", "stage"});
  constexpr std::size_t kShown = 5;
  for (const SlowOrigin& slow : legs.slowest) {
    if (table.rows() == kShown) break;
    const std::string with = slow.sample.images > 1 ? " and " + std::to_string(slow.sample.images - 1) + " more" : "";
    table.add({slow.origin + with, significant(1e3 * slow.sample.seconds, 3), name_of(slow.sample.stage)});
  }
  return table;
}

std::string head(const Profile& p) {
  const LegsMeasured& l = p.legs;
  const LegReadings& r = l.readings;
  const std::string ranks = r.ranks > 1 ? std::to_string(r.ranks) + " ranks, each on " : "";
  return l.data + "; " + p.spec.train.options.model + " on " + ranks + l.device + "; workers " + std::to_string(r.workers) + (r.ranks > 1 ? " a rank" : "") +
         ", batch " + grouped(r.batch) + "; " + std::to_string(r.cores) + " cores, " + significant(r.cores_there.median, 3) + " of them free\n" +
         std::to_string(l.rounds) + (l.rounds == 1 ? " round" : " rounds") + " in " + fixed(l.seconds, 1) + " s, " + significant(l.window_seconds, 2) +
         " s a leg after its warm-up" + (l.narrow ? "; ended as every interval was narrow" : "") + "\n";
}

std::string verdict_line(const Profile& p) {
  std::string out = std::string("verdict: ") + name_of(p.verdict.bound) + ", " + name_of(p.verdict.confidence) + " confidence";
  for (std::size_t i = 0; i < p.verdict.doubts.size(); ++i) out += (i ? "; " : " (") + p.verdict.doubts[i];
  return out + (p.verdict.doubts.empty() ? "" : ")");
}

/// The tables that follow the verdict, with what stands over each.
std::vector<std::pair<std::string, Table>> details(const Profile& p) {
  std::vector<std::pair<std::string, Table>> out;
  out.emplace_back("What a change would buy", change_table(p));
  out.emplace_back("The loader's stages (leg L; a message is a picture, or several small ones)", stages_table(p.legs.loader));
  out.emplace_back("The trainer's time (leg E" + std::string(p.legs.readings.ranks > 1 ? ", the rank that waited most)" : ")"), phases_table(p.legs));
  if (!p.legs.everything.queues.empty()) out.emplace_back("The queue between them (leg E)", queue_table(p.legs.everything));
  if (!p.legs.slowest.empty()) out.emplace_back("The slowest samples (legs L and E)", slow_table(p.legs));
  return out;
}

Json to_json(const Reading& r) {
  if (!r) return nullptr;
  const auto end = [&](double value) { return r.has_interval() ? Json(value) : Json(nullptr); };
  return {{"median", r.median}, {"low", end(r.low)}, {"high", end(r.high)}, {"count", r.count}};
}

std::string plot_program(const Profile& p) {
  std::string data;
  for (const Leg& leg : legs_of(p.legs.readings))
    if (leg.letter != 'T' || p.legs.readings.transfers)
      data += gnuplot_text(std::string(1, leg.letter)) + " " + std::to_string(1e6 / leg.reading->median) + " " + std::to_string(1e6 / leg.reading->high) + " " +
              std::to_string(1e6 / leg.reading->low) + "\n";
  const std::string predicted = std::to_string(1e6 / p.verdict.predicted);
  const std::string line = verdict_line(p);  // Without its doubts, which are longer than the picture is wide.
  return "set title " + gnuplot_text(line.substr(0, line.find(" ("))) + " noenhanced\n" +
         "set ylabel 'microseconds an image'\nset yrange [0:*]\nset grid y\nset style fill solid 0.8\nset boxwidth 0.6\nset key outside top center horizontal samplen 1\n" +
         "$legs << END\n" + data + "END\n" + "plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', " +
         "$legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '" + (p.legs.rounds < kRoundsOfAnInterval ? "range" : "95 % interval") + "', " + predicted + " lc rgb '#D55E00' lw 2 title 'predicted'\n";
}

}  // namespace

Profile profile_of(const Spec& spec, LegsMeasured legs) {
  Profile out{.spec = spec, .legs = std::move(legs), .verdict = {}, .stalls = {}, .changes = {}};
  out.verdict = judge(out.legs.readings);
  out.stalls = stalls_of(out.legs.readings);
  out.changes = what_if(out.legs.readings);
  return out;
}

std::string verdict_sentence(const Profile& p) {
  const LegReadings& r = p.legs.readings;
  const Rates rates = rates_of(r);
  const std::string loads = "loading an image takes " + us(1 / rates.loader) + " us", trains = "training on it " + us(1 / rates.reduced) + " us";
  const std::string turns = "; they take turns in one thread, and a first worker would hide the shorter behind the longer";
  const std::string waits = r.workers == 0 ? turns : "; the trainer waits " + percent(r.waited.median, 0) + " of the time";
  switch (p.verdict.bound) {
    case Bound::loader: return loads + ", " + trains + waits;
    case Bound::storage: return "reading is " + percent(rates.read_share, 0) + " of the workers' time; " + loads + ", " + trains + waits;
    case Bound::transfer: return "an image takes " + us(1 / rates.transfer) + " us to the device, " + trains;
    case Bound::compute: return trains + ", " + loads + waits;
    case Bound::communication: return trains + ", " + us(1 / rates.compute) + " us of it without the other ranks: the rest is all-reduce";
    case Bound::cpu_shared:
      if (rates.shared() >= kShared * std::min({rates.loader, rates.transfer, rates.reduced}))
        return loads + ", " + trains + "; beside one another an image takes " + us(1 / r.everything.median) + " us (" + significant(r.cores_busy.median, 3) +
               " of " + significant(rates.cores, 3) + " cores busy): they stand in each other's way";
      return "together they need " + us(rates.loader_cpu + rates.reduced_cpu) + " us of CPU an image, and " + significant(rates.cores, 3) + " cores have " +
             us(1 / rates.shared()) + " us for it: either alone would be faster";
    case Bound::balanced: break;
  }
  return loads + ", " + trains + ": making one of them faster buys less than " + percent(kBalance, 0) + waits;
}

std::string profile_text(const Profile& p) {
  std::string out = head(p) + "\n" + leg_table(p).text() + "\n" + summary(p) + "\n" + verdict_line(p) + "\n  " + verdict_sentence(p) + "\n";
  for (const auto& [title, table] : details(p))
    if (!table.empty()) out += "\n" + title + "\n" + table.text();
  return out;
}

std::string profile_markdown(const Profile& p, const std::string& command, const std::string& machine) {
  std::string lines = summary(p), list;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    list += "* " + lines.substr(at, end - at) + "\n";
    at = end + 1;
  }
  std::string out = "# Profile of " + p.spec.file + "\n\n`" + command + "` on " + machine + "\n\n" + head(p) + "\n**" + verdict_line(p) + "**: " + verdict_sentence(p) +
                    ".\n\n" + leg_table(p).markdown() + "\n" + list;
  for (const auto& [title, table] : details(p))
    if (!table.empty()) out += "\n## " + title + "\n\n" + table.markdown();
  return out;
}

Json to_json(const Profile& p) {
  const LegReadings& r = p.legs.readings;
  Json out;
  for (const Leg& leg : legs_of(r)) {
    const std::string name(1, leg.letter);
    out["legs"][name] = leg.reading->median;
    out["intervals"][name] = to_json(*leg.reading);
  }
  out["predicted"] = p.verdict.predicted;
  out["measured"] = r.everything.median;
  out["verdict"] = name_of(p.verdict.bound);
  out["confidence"] = name_of(p.verdict.confidence);
  out["because"] = verdict_sentence(p);
  out["doubts"] = p.verdict.doubts;
  out["overlap_efficiency"] = p.stalls.overlap;
  out["utilisation"] = p.stalls.utilisation;
  out["prep_stall_seconds_per_image"] = p.stalls.prep;
  out["prep_stall_predicted"] = p.stalls.prep_predicted;
  out["fetch_stall_seconds_per_image"] = r.cold ? Json(p.stalls.fetch) : Json(nullptr);
  if (!r.cold) out["fetch_stall_skipped"] = r.no_cold;
  out["gap_to_floor"] = p.stalls.gap;
  for (const WhatIf& w : p.changes) out["what_if"].push_back({{"change", w.change}, {"images_per_second", w.rate}, {"gain", w.gain}, {"within_noise", w.noise}, {"rests_on", w.note}});
  out["cpu_seconds_per_image"] = {{"L", to_json(r.loader_cpu)}, {"A", to_json(r.reduced_cpu)}};
  out["cores"] = r.cores;
  out["cores_there"] = to_json(r.cores_there);
  out["half_step_seconds"] = to_json(r.half_step);
  out["more_ranks"] = to_json(r.more_ranks);
  out["read_share"] = to_json(r.read_share);
  out["decode_share"] = to_json(r.decode_share);
  out["cores_busy"] = to_json(r.cores_busy);
  out["wait_share"] = to_json(r.waited);
  out["cold"] = to_json(r.cold);
  out["warm"] = to_json(r.warm);
  out["transfers"] = r.transfers;
  out["workers"] = r.workers;
  out["ranks"] = r.ranks;
  out["batch"] = r.batch;
  out["rounds"] = p.legs.rounds;
  out["seconds"] = p.legs.seconds;
  out["window_seconds"] = p.legs.window_seconds;
  out["loader"] = to_json(p.legs.loader);
  out["everything"] = to_json(p.legs.everything);
  out["everything"]["phases"] = to_json(p.legs.phases);
  out["everything"]["wall_seconds"] = p.legs.wall_seconds;
  out["everything"]["unaccounted_seconds"] = p.legs.unaccounted_seconds;
  out["slowest"] = Json::array();
  for (const SlowOrigin& slow : p.legs.slowest)
    out["slowest"].push_back(
        {{"origin", slow.origin}, {"images", slow.sample.images}, {"stage", name_of(slow.sample.stage)}, {"seconds", slow.sample.seconds}});
  out["device"] = p.legs.device;
  out["data"] = p.legs.data;
  out["loader_bytes"] = p.legs.loader_bytes;
  return out;
}

std::vector<std::string> write_profile(const std::string& folder, const Profile& p, const Json& record, const std::string& command,
                                       const std::string& machine, const std::function<void(const std::string&)>& warn) {
  make_folder(folder);
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  write_text(path("profile.md"), profile_markdown(p, command, machine));
  write_text(path("profile.json"), line_of(record) + "\n");
  std::vector<std::string> files{path("profile.md"), path("profile.json")};
  constexpr int kWidth = 720, kHeight = 420;
  for (std::string& file : write_pictures(folder, "profile", plot_program(p), kWidth, kHeight, warn)) files.push_back(std::move(file));
  return files;
}

}  // namespace millrace
