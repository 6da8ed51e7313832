#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/json.h"

namespace millrace {

/// results.jsonl: one JSON object a line, appended, each line by one write, so that a signal or a crash leaves whole lines.
/// A line that a lost machine left unfinished is cut off when the file is opened again.
/// Threads: append from any. Owns: the file's lock, so that one process writes it.
/// Errors: Error(usage) where the folder or file cannot be opened for writing, or another process writes it; Error(data) where a line
///         cannot be written (a full disk): what was written of it is taken back.
class RecordFile {
 public:
  /// `folder` is made; the file is folder/results.jsonl.
  explicit RecordFile(const std::string& folder);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  void append(const Json& record);
  const std::string& path() const { return path_; }
  bool repaired() const { return repaired_; }  ///< An unfinished last line was removed.

 private:
  std::string path_;
  int descriptor_ = -1;
  bool repaired_ = false;
};

/// Every whole line of folder/results.jsonl; an unfinished last line is passed over.
/// Errors: Error(data) "path:line: ..." for a line that is not a record (wrong_in_record), and for a missing file unless `may_lack`.
std::vector<Json> read_records(const std::string& folder, bool may_lack = false);

}  // namespace millrace
