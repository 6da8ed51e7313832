#pragma once
#include <functional>
#include <string>
#include <vector>

#include "experiments/figures.h"

namespace millrace {

/// What a folder's results.jsonl says, for people.
struct Report {
  std::string terminal;            ///< Table, findings, and the names of the files written.
  std::vector<std::string> files;  ///< report.md, plot.svg, plot.png, plot.gp
};

/// Reads folder/results.jsonl and nothing else; writes report.md, plot.gp and, by gnuplot, plot.svg and plot.png there.
/// A missing gnuplot is a warning. Errors: Error(data) for records that cannot be read or hold no finished run.
/// `published`, where it is not null, stands in place of the figures in the study's record.
Report write_report(const std::string& folder, const std::function<void(const std::string&)>& warn, const Json& published = {});

/// What a published table says by itself, in folder/published.md, with its pictures. Errors: Error(data) where it cannot be written.
Report write_published(const std::string& folder, const FigureTable& table, const std::function<void(const std::string&)>& warn);

}  // namespace millrace
