#pragma once
#include <map>
#include <set>
#include <string>

#include "experiments/json.h"
#include "experiments/terminal.h"
#include "pipeline/loader.h"

namespace millrace {

/// The bad samples of a run: folder/faults.jsonl, one object a line {run, path, offset, kind, message}, each file of the data
/// set once a run, as far as a loader lists them (FaultLedger::kMaxListed). Made with the first fault; appended to by later runs.
/// Threads: one caller. Errors: Error(usage) where the file cannot be written.
class FaultFile {
 public:
  /// An empty folder: nothing is written, faults are only counted.
  FaultFile(std::string folder, std::string run) : folder_(std::move(folder)), run_(std::move(run)) {}
  /// Writes what the final report of one more loader lists of files not seen before. Returns whether there were any.
  bool add(const LoaderReport& report);
  /// "12 bad samples in 3 files (2 corrupt, 1 truncated), substituted; listed in out/faults.jsonl", or empty. Where a loader's list
  /// was full: "in at least 12,000 files (of the 10,000 that are listed ...".
  std::string summary(OnBadSample action) const;

 private:
  std::string folder_, run_, path_;
  std::uint64_t bad_samples_ = 0, least_files_ = 0;
  bool all_listed_ = true;
  std::set<std::string> files_;
  std::map<std::string, int> kinds_;  ///< Files of each kind of fault.
};

/// Lists a loader's bad samples, and warns of files not seen before, when it is destroyed: in whatever way a run ends.
/// The loader, the file and the reporter must outlive it.
class FaultWatch {
 public:
  FaultWatch(const Loader& loader, FaultFile& file, OnBadSample action, Reporter& out, std::string heading = {});
  ~FaultWatch();
  FaultWatch(const FaultWatch&) = delete;
  FaultWatch& operator=(const FaultWatch&) = delete;

 private:
  const Loader& loader_;
  FaultFile& file_;
  OnBadSample action_;
  Reporter& out_;
  std::string heading_;
};

/// Ends what would be a result of no image at all. `what`: "epoch 1", "evaluation".
/// Errors: always Error(data), with the first cause that the report has.
[[noreturn]] void refuse_empty(const std::string& what, const LoaderReport& report);

/// {path, offset, kind, message}; no offset where none is known. A path that is not UTF-8 is shown with \xNN in place of its bytes, and
/// `path_hex` holds them all.
Json to_json(const Fault& fault);

}  // namespace millrace
