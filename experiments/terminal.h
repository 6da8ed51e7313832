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

/// What a command prints while it runs. On a terminal one line that is rewritten, otherwise plain lines; all on stderr.
/// Threads: any.
class Reporter {
 public:
  Reporter();
  void note(const std::string& line);  ///< "millrace: ..." is left to errors; notes stand alone.
  void warning(const std::string& line);
  void report(const std::string& lines);  ///< Of any rank, each line under its name; ends with a line's end.
  void progress(const std::string& line);  ///< Terminal only, at most ten times a second.
  void clear();
  /// Of several ranks: notes and progress are rank 0's alone, and the others' warnings say whose they are.
  void as_rank(int rank) { rank_ = rank; }
  bool terminal() const { return terminal_; }

 private:
  void line(const std::string& text);
  bool terminal_;
  int rank_ = 0;
  bool open_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace millrace
