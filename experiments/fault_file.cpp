#include "experiments/fault_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "experiments/printable.h"
#include "experiments/text_file.h"
#include "pipeline/error.h"

namespace millrace {

Json to_json(const Fault& fault) {
  Json out{{"path", fault.origin},
           {"offset", fault.offset_bytes ? Json(fault.offset_bytes) : Json(nullptr)},
           {"kind", name_of(fault.kind)},
           {"message", fault.detail}};
  if (is_utf8(fault.origin)) return out;
  out["path"] = printable(fault.origin);
  out["path_hex"] = hex_of(fault.origin);
  return out;
}

void refuse_empty(const std::string& what, const LoaderReport& report) {
  const std::string first = report.faults.empty() ? "" : "; the first: " + describe(report.faults.front());
  throw Error(ErrorKind::data, what + ": not one image could be read" + first,
              "there is nothing to train on or to score: mend the files, or name others (data.path, data.test_path)");
}

bool FaultFile::add(const LoaderReport& report) {
  bad_samples_ += report.bad_samples;
  least_files_ = std::max(least_files_, report.bad_files);
  all_listed_ = all_listed_ && report.bad_files == report.faults.size();
  std::string lines;
  for (const Fault& fault : report.faults) {
    if (!files_.insert(fault.origin).second) continue;
    ++kinds_[name_of(fault.kind)];
    Json line = {{"run", run_}};
    line.update(to_json(fault));
    lines += line_of(line) + "\n";
  }
  if (folder_.empty() || lines.empty()) return !lines.empty();
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  path_ = (std::filesystem::path(folder_) / "faults.jsonl").string();
  std::ofstream out(path_, std::ios::app | std::ios::binary);
  if (!(out << lines << std::flush)) throw Error(ErrorKind::usage, path_ + ": cannot be written", "take another --out");
  return true;
}

std::string FaultFile::summary(OnBadSample action) const {
  if (!bad_samples_) return {};
  std::string kinds;
  for (const auto& [kind, count] : kinds_) kinds += (kinds.empty() ? "" : ", ") + std::to_string(count) + " " + kind;
  const std::uint64_t files = std::max<std::uint64_t>(files_.size(), least_files_);
  std::string text = grouped(double(bad_samples_)) + (bad_samples_ == 1 ? " bad sample in " : " bad samples in ") + (all_listed_ ? "" : "at least ") +
                     grouped(double(files)) + (files == 1 ? " file (" : " files (") + (all_listed_ ? "" : "of the " + grouped(double(files_.size())) + " that are listed ") +
                     kinds + ")";
  if (action == OnBadSample::skip) text += ", skipped";
  if (action == OnBadSample::substitute) text += ", substituted";
  return text + (path_.empty() ? "" : "; listed in " + path_);
}

FaultWatch::FaultWatch(const Loader& loader, FaultFile& file, OnBadSample action, Reporter& out, std::string heading)
    : loader_(loader), file_(file), action_(action), out_(out), heading_(std::move(heading)) {}

FaultWatch::~FaultWatch() {
  try {
    const LoaderReport report = loader_.report();
    if (file_.add(report)) out_.warning(heading_ + file_.summary(action_));
    if (report.progressive_jpegs && heading_.empty())
      out_.note(grouped(double(report.progressive_jpegs)) +
                " of the pictures were progressive JPEG, which takes about three times as long");
  } catch (const std::exception& e) {
    out_.warning(e.what());
  }
}

}  // namespace millrace
