#pragma once
#include <fstream>
#include <functional>
#include <string>

#include "pipeline/trace.h"

namespace millrace {

class Reporter;

/// The file of `--trace`: what happened in this process, as JSON in Chrome's trace event format (ui.perfetto.dev, chrome://tracing).
/// Times are microseconds of the monotonic clock, so that traces of one host lie beside one another. A process that is one of several
/// ranks writes a file of its own: trace.json becomes trace.rank1.json.
/// It is written when this is destroyed, in whatever way a run ends, and must outlive all that writes into trace().
/// Threads: one. Errors: Error(usage) where the file cannot be written; later failures are warnings.
class TraceFile {
 public:
  /// `path` empty: no trace. `rank`: of several processes; -1: the only one.
  TraceFile(const std::string& path, int rank, Reporter& out);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  Trace* trace() { return path_.empty() ? nullptr : &trace_; }  ///< Null: nothing is traced.

 private:
  const std::string path_;
  const int rank_;
  Reporter& out_;
  std::ofstream file_;
  Trace trace_;
};

/// The whole trace as one JSON object, an event a line. Groups become processes numbered from `first_group`.
void write_trace(const Trace& trace, int first_group, std::ostream& out);

}  // namespace millrace
