#include "experiments/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "experiments/beside.h"
#include "experiments/figure_plots.h"
#include "experiments/gnuplot.h"
#include "experiments/measured.h"
#include "experiments/own_findings.h"
#include "experiments/plot.h"
#include "experiments/published.h"
#include "experiments/published_page.h"
#include "experiments/records.h"
#include "experiments/terminal.h"
#include "experiments/text_file.h"
#include "experiments/timing_table.h"
#include "experiments/work.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

std::vector<std::string> axis_keys(const std::vector<CellSummary>& cells) {
  std::vector<std::string> keys;
  for (const CellSummary& s : cells)
    for (const auto& [key, value] : s.cell)
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  return keys;
}

std::string accuracy_text(const Spread& accuracy) {
  if (!accuracy.count) return "-";
  std::string out = fixed(100 * accuracy.median, 2);
  if (accuracy.count > 1) out += " (" + fixed(100 * accuracy.low, 2) + "-" + fixed(100 * accuracy.high, 2) + ")";
  return out;
}

Table result_table(const std::vector<CellSummary>& cells) {
  const auto keys = axis_keys(cells);
  std::vector<std::string> header;
  for (const auto& key : keys) header.push_back(axis_name(key));
  for (const char* h :
       {"runs", "images/s", "total s", "load ms/step", "update ms/step", "wait %", "unaccounted %", "accuracy %", "verdict"})
    header.emplace_back(h);
  Table table(header);
  for (const CellSummary& s : cells) {
    std::vector<std::string> row;
    for (const auto& key : keys) {
      const auto it = std::find_if(s.cell.begin(), s.cell.end(), [&](const auto& pair) { return pair.first == key; });
      row.push_back(it == s.cell.end() ? "-" : value_text(it->second));
    }
    row.push_back(std::to_string(s.runs.size()) + (s.failed ? " + " + std::to_string(s.failed) + " failed" : ""));
    const bool any = !s.runs.empty();
    for (const auto& text : {text_of(s.images_per_second), text_of(s.total_seconds), text_of(s.load_ms, 3), text_of(s.update_ms, 3)})
      row.push_back(text);
    row.push_back(any ? fixed(100 * s.wait_share, 1) : "-");
    row.push_back(any ? fixed(100 * std::abs(s.unaccounted.median), 2) : "-");
    row.push_back(accuracy_text(s.accuracy));
    row.push_back(any ? verdict(s) : "-");
    table.add(std::move(row));
  }
  return table;
}

/// Where a worker's time goes in each cell.
std::string stages_text(const std::vector<CellSummary>& cells) {
  Table table({"cell", "read us", "decode us", "augment us", "other us", "decode %", "augment %"});
  for (const CellSummary& s : cells) {
    if (s.runs.empty()) continue;
    std::vector<std::string> row{cell_label(s.cell)};
    double sum = 0;
    for (const auto& [name, us] : s.stage_us_per_image) {
      row.push_back(fixed(us, 0));
      sum += us;
    }
    for (const std::size_t stage : {1, 2}) row.push_back(fixed(100 * s.stage_us_per_image[stage].second / std::max(1e-9, sum), 1));
    table.add(std::move(row));
  }
  return "\n## A worker's time an image\n\n" + table.markdown() +
         "\nother: the graph around the stages, and waiting for a free slot; with workers 0 the trainer's thread is the worker.\n";
}

/// Provenance that all runs share, or how many there are.
std::string provenance(const StudyResults& results) {
  std::set<std::string> commits, hosts, torches, commands;
  for (const RunResult& run : results.runs) {
    commands.insert("`" + run.run.value("command", "?") + "`");
    commits.insert(run.run.value("commit", "?"));
    const Json host = run.run.value("host", Json::object());
    hosts.insert(host.value("cpu", "?") + ", " + std::to_string(host.value("cores", 0)) + " cores");
    torches.insert(run.run.value("versions", Json::object()).value("torch", "?"));
  }
  const auto list = [](const std::set<std::string>& s) {
    std::string out;
    for (const auto& v : s) out += (out.empty() ? "" : "; ") + v;
    return out;
  };
  return "Machine: " + list(hosts) + ". Commit: " + list(commits) + ". torch " + list(torches) + ". Command: " + list(commands) +
         ", first run " + results.runs.front().run.value("started", "?") + ".";
}

std::string foreign_text(const StudyResults& results) {
  if (!results.foreign) return {};
  return std::to_string(results.foreign) + (results.foreign == 1 ? " run" : " runs") +
         " of other settings in this folder left out: not of the last study.";
}

/// An unfinished study says so before anything else. Empty for a whole one.
std::string incomplete_text(const Completion& completion) {
  if (completion.whole()) return {};
  const std::string runs = completion.planned == 1 ? " run" : " runs";
  return "INCOMPLETE: " + std::to_string(completion.done) + " of " + std::to_string(completion.planned) + runs + "." +
         (completion.command.empty() ? "" : " To go on: `" + completion.command + "`");
}

std::string failures(const StudyResults& results) {
  std::string out;
  for (const RunResult& run : results.runs)
    if (run.outcome == "failed") out += "* " + cell_label(run.cell) + ": " + run.error + "\n";
  return out.empty() ? "" : "\n## Runs that failed\n\n" + out;
}

/// The figures beside which this folder stands: those given, or those of its study's record.
std::optional<FigureTable> published_of(const std::string& folder, const StudyResults& results, const Json& given) {
  if (!given.is_null()) return read_published("--published", given);
  if (!results.study.is_object() || !results.study.contains("published")) return {};
  return read_published(folder + "/results.jsonl:" + std::to_string(results.study_line) + ": 'published'", results.study["published"]);
}

void add_published(const FigureTable& published, const std::vector<CellSummary>& cells, bool scaled, bool whole, std::string& md,
                   std::string& terminal) {
  const Findings both = judge_both(published, cells, scaled, whole);
  md += "\n## Beside the published figures\n\n" + published.title + ".\n\n" + side_by_side(published, cells, scaled) + "\n" +
        findings_text(both);
  md += "\n## What the published figures say by themselves\n\n" + published_rows(published) + "\n" + findings_text(detect(published));
  for (const Finding& f : both) terminal += f.detector + "  " + f.text + "\n";
}

/// Pictures of figures, where there are any to draw: accuracy by batch, and what t_epoch hides. `prefix` keeps those of one page from another's.
std::string add_pictures(const std::string& folder, const std::string& prefix, const FigureTable& published, const FigureTable& ours, std::vector<std::string>& files,
                         const std::function<void(const std::string&)>& warn) {
  std::string md;
  const auto add = [&](const std::string& name, const std::string& program, int width, int height, const std::string& caption) {
    if (program.empty()) return;
    const std::string stem = prefix + name;
    const auto written = write_pictures(folder, stem, program, width, height, warn);
    files.insert(files.end(), written.begin(), written.end());
    if (!written.empty()) md += "\n![" + caption + "](" + stem + ".svg)\n";
  };
  std::set<std::string> models;
  for (const FigureTable* table : {&published, &ours})
    for (const FigureRow& row : table->rows) models.insert(value_or(row.settings, "model", ""));
  add("accuracy", batch_plot(published, ours), 1150, 80 + 340 * int(models.size()), "accuracy by batch, at equal G and at equal b");
  const FigureTable& shown = ours.rows.empty() ? published : ours;
  add("hidden", hidden_plot(shown), std::clamp(200 + 45 * int(shown.rows.size()), 500, 1800), 480, "what t_epoch shows of the wall");
  return md;
}

/// Tables of several ranks or against published ones are about times by definition; a plain run's report stays short.
bool wants_definitions(const FigureTable& ours, bool published) {
  return published ||
         std::any_of(ours.rows.begin(), ours.rows.end(), [](const FigureRow& row) { return number_of(row.settings, "ranks", 1) > 1; });
}

/// The accuracy that a study stops at: its own, or the published rows'.
std::string target_text(const std::vector<CellSummary>& cells, const std::optional<FigureTable>& published) {
  const FigureTable runs = measured_runs(cells);
  for (const FigureTable* table : {&runs, published ? &*published : nullptr}) {
    if (!table || table->rows.empty()) continue;
    const Json& settings = table->rows.front().settings;
    const double target = number_of(settings, "target_accuracy", number_of(settings, "target", 0));
    if (target > 0) return target_table(runs, target, int(number_of(settings, "patience", 1)));
  }
  return {};
}

}  // namespace

Report write_report(const std::string& folder, const std::function<void(const std::string&)>& warn, const Json& given) {
  StudyResults results = collect(read_records(folder));
  keep_planned(results);
  if (!results.passed_over.empty()) warn(folder + ": " + results.passed_over);
  const std::vector<CellSummary> cells = summarize(results);
  const Completion completion = completion_of(results);
  const std::string incomplete = incomplete_text(completion);
  if (std::none_of(cells.begin(), cells.end(), [](const CellSummary& s) { return !s.runs.empty(); }))
    throw Error(ErrorKind::data, folder + ": results.jsonl holds no finished run" + (results.study.is_object() ? " of its last study" : ""),
                incomplete.empty() ? "failed runs are recorded there with their errors" : incomplete);
  const Json study = results.study.is_object() ? results.study : Json::object();
  const std::string name = study.value("name", std::filesystem::path(folder).filename().string());
  const Table table = result_table(cells);
  const std::string foreign = foreign_text(results);
  const std::optional<FigureTable> published = published_of(folder, results, given);
  const FigureTable ours = measured_table(cells);
  const auto own = judge_own(cells, completion.open);

  Report report;
  const bool stages = study.value("bars", "phases") == "stages" && std::all_of(cells.begin(), cells.end(), [](const CellSummary& s) {
                        return s.runs.empty() || !s.stage_us_per_image.empty();
                      });
  report.files = write_plot(folder, cells, name, stages ? Bars::stages : Bars::phases, warn);
  std::string md = (incomplete.empty() ? "" : "**" + incomplete + "**\n\n") + "# " + name + "\n\n";
  if (const std::string scale = study.value("scale", ""); !scale.empty()) md += "Scaled down: " + scale + "\n\n";
  md += provenance(results) + "\n\n" + (foreign.empty() ? "" : foreign + "\n\n") + table.markdown() +
        "\nimages/s without the first epoch, where there are more; medians, with the range of repetitions in brackets. total: training of "
        "all epochs, without "
        "evaluation. load: waiting for a batch; update: upload, forward, backward, "
        "reduce, optimizer.\n";
  if (!report.files.empty()) md += "\n![images/s, and where the time of an image goes](plot.svg)\n";
  if (stages) md += stages_text(cells);
  md += "\n## What the numbers say\n\n" + findings_text(own);
  report.terminal = (incomplete.empty() ? "" : incomplete + "\n\n") + table.text() + "\n" + (foreign.empty() ? "" : foreign + "\n");
  for (const Finding& f : own) report.terminal += f.detector + "  " + f.text + "\n";
  if (wants_definitions(ours, published.has_value())) md += timing_table(ours) + target_text(cells, published);
  if (published) {
    md += add_pictures(folder, "", *published, ours, report.files, warn);
    add_published(*published, cells, !study.value("scale", "").empty(), completion.whole(), md, report.terminal);
  }
  md += failures(results);
  const std::string path = (std::filesystem::path(folder) / "report.md").string();
  write_text(path, md);
  report.files.insert(report.files.begin(), path);
  report.terminal += "\nwritten:";
  for (const std::string& file : report.files) report.terminal += " " + file;
  report.terminal += "\n";
  return report;
}

Report write_published(const std::string& folder, const FigureTable& table, const std::function<void(const std::string&)>& warn) {
  Report report;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::string pictures = add_pictures(folder, "published-", table, {}, report.files, warn),
                    path = (std::filesystem::path(folder) / "published.md").string();
  write_text(path, published_page(table) + (pictures.empty() ? "" : "\n## Pictures\n" + pictures));
  report.files.insert(report.files.begin(), path);
  report.terminal = "written:";
  for (const std::string& file : report.files) report.terminal += " " + file;
  report.terminal += "\n";
  return report;
}

}  // namespace millrace
