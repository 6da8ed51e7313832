#include "experiments/trace_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "experiments/json.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr int kGroupsARank = 1000;  // More than a process has.

std::string path_of_rank(const std::string& path, int rank) {
  if (path.empty() || rank < 0) return path;
  std::filesystem::path p(path);
  return p.replace_filename(p.stem().string() + ".rank" + std::to_string(rank) + p.extension().string()).string();
}

/// Text that is written in large pieces.
class Lines {
 public:
  explicit Lines(std::ostream& out) : out_(out) {}
  ~Lines() { flush(); }
  /// Begins an event.
  Lines& event() {
    if (text_.size() > (1 << 16)) flush();
    text_ += std::exchange(first_, false) ? "\n" : ",\n";
    return *this;
  }
  Lines& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  Lines& operator<<(std::uint64_t value) {
    char digits[20];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    return *this;
  }
  /// Microseconds, to the nanosecond.
  Lines& operator<<(SteadyClock::duration time) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()));
    const std::uint64_t rest = ns % 1000;
    return *this << ns / 1000 << "." << (rest < 100 ? rest < 10 ? "00" : "0" : "") << rest;
  }

 private:
  void flush() {
    out_ << text_;
    text_.clear();
  }
  std::ostream& out_;
  std::string text_;
  bool first_ = true;
};

const char* name_of(TraceEvent::Of of) {
  switch (of) {
    case TraceEvent::Of::sample: return "sample";
    case TraceEvent::Of::batch: return "batch";
    case TraceEvent::Of::step: return "step";
    case TraceEvent::Of::bucket: return "bucket";
    case TraceEvent::Of::nothing:
    case TraceEvent::Of::count: break;
  }
  return "count";
}

void describe(Lines& out, const char* what, std::uint64_t pid, std::uint64_t tid, const Json& value) {
  out.event() << R"({"ph":"M","name":")" << what << R"(","pid":)" << pid << R"(,"tid":)" << tid << R"(,"args":)" << value.dump() << "}";
}

void write(Lines& out, const TraceEvent& e, const TraceLane& lane, std::uint64_t pid, std::uint64_t tid) {
  const auto of = static_cast<TraceEvent::Of>(e.of);
  const std::uint64_t number = e.number;
  if (of == TraceEvent::Of::count) {
    out.event() << R"({"ph":"C","name":)" << Json(lane.name()).dump() << R"(,"pid":)" << pid << R"(,"ts":)" << e.begin.time_since_epoch() << R"(,"args":{")"
                << e.name << R"(":)" << number << "}}";
    return;
  }
  out.event() << R"({"ph":"X","name":")" << e.name << R"(","pid":)" << pid << R"(,"tid":)" << tid << R"(,"ts":)" << e.begin.time_since_epoch() << R"(,"dur":)"
              << e.end - e.begin;
  if (of != TraceEvent::Of::nothing) out << R"(,"args":{")" << name_of(of) << R"(":)" << number << "}";
  out << "}";
}

}  // namespace

void write_trace(const Trace& trace, int first_group, std::ostream& out) {
  Json dropped = Json::object();
  for (const auto& lane : trace.lanes())
    if (lane->dropped()) dropped[trace.groups()[static_cast<std::size_t>(lane->group())] + ", " + lane->name()] = lane->dropped();
  out << R"({"displayTimeUnit":"ms","otherData":{"dropped_events":)" << dropped.dump() << R"(},"traceEvents":[)";
  {
    Lines lines(out);
    for (std::size_t g = 0; g < trace.groups().size(); ++g) {
      const auto pid = static_cast<std::uint64_t>(first_group) + g;
      describe(lines, "process_name", pid, 0, {{"name", trace.groups()[g]}});
      describe(lines, "process_sort_index", pid, 0, {{"sort_index", pid}});
    }
    std::uint64_t tid = 0;
    for (const auto& lane : trace.lanes()) {
      const auto pid = static_cast<std::uint64_t>(first_group + lane->group());
      ++tid;
      bool named = false;
      lane->each([&](const TraceEvent& event) {
        if (!std::exchange(named, true) && event.of != static_cast<std::uint64_t>(TraceEvent::Of::count)) describe(lines, "thread_name", pid, tid, {{"name", lane->name()}});
        write(lines, event, *lane, pid, tid);
      });
    }
  }
  out << "\n]}\n";
}

TraceFile::TraceFile(const std::string& path, int rank, Reporter& out) : path_(path_of_rank(path, rank)), rank_(std::max(0, rank)), out_(out) {
  if (path_.empty()) return;
  file_.open(path_);
  if (!file_) throw Error(ErrorKind::usage, "--trace: " + path_ + " cannot be written", "is there such a folder, and may it be written to?");
}

TraceFile::~TraceFile() {
  if (path_.empty()) return;
  try {
    write_trace(trace_, 1 + kGroupsARank * rank_, file_);
    file_.close();
    std::uint64_t dropped = 0;
    for (const auto& lane : trace_.lanes()) dropped += lane->dropped();
    if (!file_)
      out_.warning("--trace: " + path_ + " could not be written whole");
    else
      out_.note("trace: " + path_ + " (open it in ui.perfetto.dev)" + (dropped ? "; the oldest " + grouped(double(dropped)) + " events were dropped" : ""));
  } catch (const std::exception& e) {
    out_.warning("--trace: " + path_ + ": " + e.what());
  }
}

}  // namespace millrace
