#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "pipeline/loader.h"

namespace millrace {

/// A table for people: on the terminal with aligned columns, in Markdown with bars. Numbers stand to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> cells);  ///< As many as the header has.
  bool empty() const { return rows_.empty(); }
  std::size_t rows() const { return rows_.size(); }
  std::string text() const;
  std::string markdown() const;

 private:
  std::vector<std::size_t> widths() const;
  bool numeric(std::size_t column) const;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

/// "12,345" / "3.21": as many digits as a reader needs.
std::string grouped(double value);
std::string significant(double value, int digits = 4);
std::string fixed(double value, int decimals);
std::string bytes_text(double bytes);

/// What a command prints while it runs, all on stderr: on a terminal with a line that is rewritten, otherwise plain lines, of progress one
/// a minute. Who reads it does not hold the run up: while stderr takes nothing (Ctrl-S, a pager, a full pipe) lines are left out, and
/// counted once it takes them again.
/// Threads: any.
class Reporter {
 public:
  explicit Reporter(std::chrono::milliseconds plain_progress = std::chrono::minutes(1));
  void note(const std::string& line);  ///< "millrace: ..." is left to errors; notes stand alone.
  void warning(const std::string& line);
  void report(const std::string& lines);  ///< Of any rank, each line under its name; ends with a line's end.
  void progress(const std::string& line);  ///< On a terminal at most ten times a second, elsewhere where nothing was said for a minute.
  void clear();
  /// Of several ranks: notes and progress are rank 0's alone, and the others' warnings say whose they are.
  void as_rank(int rank) { rank_ = rank; }
  bool terminal() const { return terminal_; }  ///< Whether stderr is one that knows escape sequences.

 private:
  void line(const std::string& text);
  void put_line(const std::string& text);
  bool put(const std::string& text);
  bool terminal_;
  const std::chrono::milliseconds plain_progress_;
  int rank_ = 0;
  bool open_ = false;           ///< A line of progress stands on the terminal,
  std::size_t open_width_ = 0;  ///< so wide.
  bool stuck_ = false;          ///< stderr takes nothing.
  std::size_t left_out_ = 0;    ///< Lines, since it took one.
  std::chrono::steady_clock::time_point last_;
};

}  // namespace millrace
