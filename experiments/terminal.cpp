#include "experiments/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>

#include "experiments/printable.h"

namespace millrace {
namespace {

std::mutex& output_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Columns on the screen, not bytes: µ and ± are two bytes each.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string spaces(width - std::min(width, width_of(text)), ' ');
  return right ? spaces + text : text + spaces;
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(header_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> out;
  for (const auto& h : header_) out.push_back(width_of(h));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) out[i] = std::max(out[i], width_of(row[i]));
  return out;
}

bool Table::numeric(std::size_t column) const {
  return std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) {
    const std::string& cell = row[column];
    return cell.empty() || cell == "-" || std::isdigit(static_cast<unsigned char>(cell[0])) ||
           (cell.size() > 1 && (cell[0] == '-' || cell[0] == '.' || cell[0] == '+'));
  });
}

std::string Table::text() const {
  const auto width = widths();
  std::string out, rule;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string row;
    for (std::size_t i = 0; i < cells.size(); ++i) row += (i ? "  " : "") + padded(cells[i], width[i], numeric(i));
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + "\n";
  };
  line(header_);
  for (std::size_t i = 0; i < width.size(); ++i) rule += std::string(i ? 2 : 0, ' ') + std::string(width[i], '-');
  out += rule + "\n";
  for (const auto& row : rows_) line(row);
  return out;
}

namespace {
/// A file may be named with what ends a cell.
std::string escaped(const std::string& cell) {
  std::string out;
  for (const char c : cell) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}
}  // namespace

std::string Table::markdown() const {
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    out += "|";
    for (const auto& c : cells) out += " " + escaped(c) + " |";
    out += "\n";
  };
  line(header_);
  out += "|";
  for (std::size_t i = 0; i < header_.size(); ++i) out += numeric(i) ? "---:|" : "---|";
  out += "\n";
  for (const auto& row : rows_) line(row);
  return out;
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string grouped(double value) {
  if (!std::isfinite(value)) return "-";
  std::string digits = fixed(std::abs(value), 0);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return (value < 0 ? "-" : "") + digits;
}

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  if (std::abs(value) >= std::pow(10, digits - 1)) return grouped(value);
  const int before = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;
  return fixed(value, std::clamp(digits - before, 0, 9));
}

std::string bytes_text(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit) bytes /= 1024;
  return (unit ? significant(bytes, 3) : fixed(bytes, 0)) + " " + units[unit];
}

namespace {

bool knows_escape_sequences(int descriptor) {
  const char* kind = std::getenv("TERM");
  return isatty(descriptor) == 1 && kind && *kind && std::string_view(kind) != "dumb";
}

std::size_t columns_of(int descriptor) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/// Goes back to the beginning of a line of that width, which a terminal that was made narrower has wrapped, and clears it.
std::string over_line_of(std::size_t width) {
  const std::size_t wrapped = width > 0 ? (width - 1) / columns_of(STDERR_FILENO) : 0;
  return (wrapped ? "\033[" + std::to_string(wrapped) + "A" : "") + "\r\033[J";
}

}  // namespace

Reporter::Reporter(std::chrono::milliseconds plain_progress)
    : terminal_(knows_escape_sequences(STDERR_FILENO)), plain_progress_(plain_progress), last_(std::chrono::steady_clock::now()) {}

/// By one write, so that lines of several processes do not mix. False: stderr takes nothing.
bool Reporter::put(const std::string& text) {
  const int patience_ms = stuck_ ? 0 : 100;  // For a reader that is only slow; then no more until it reads.
  pollfd asked{STDERR_FILENO, POLLOUT, 0};
  stuck_ = poll(&asked, 1, patience_ms) != 1 || !(asked.revents & POLLOUT);
  if (stuck_) return false;
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  return true;
}

void Reporter::put_line(const std::string& text) {
  std::string all = std::exchange(open_, false) ? over_line_of(open_width_) : "";
  if (left_out_) all += "(stderr took nothing for a while: " + std::to_string(left_out_) + " lines were left out)\n";
  last_ = std::chrono::steady_clock::now();
  left_out_ = put(all + text + "\n") ? 0 : left_out_ + 1;
}

void Reporter::clear() {
  std::lock_guard lock(output_mutex());
  if (open_) put(over_line_of(open_width_));
  open_ = false;
}

void Reporter::line(const std::string& text) {
  std::lock_guard lock(output_mutex());
  put_line(printable_lines(text));
}

void Reporter::note(const std::string& text) {
  if (rank_ == 0) line(text);
}

void Reporter::warning(const std::string& text) { line("warning: " + (rank_ ? "rank " + std::to_string(rank_) + ": " : "") + text); }

void Reporter::report(const std::string& lines) {
  const std::string name = "millrace: " + (rank_ ? "rank " + std::to_string(rank_) + ": " : std::string());
  std::string text;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    text += (text.empty() ? "" : "\n") + name + lines.substr(at, end - at);
    at = end + 1;
  }
  line(text);
}

void Reporter::progress(const std::string& text) {
  if (rank_) return;
  std::lock_guard lock(output_mutex());
  const auto since = std::chrono::steady_clock::now() - last_;
  if (!terminal_ && since >= plain_progress_) put_line(printable(text));
  if (!terminal_ || (open_ && since < std::chrono::milliseconds(100))) return;
  const std::string shown = printable(text).substr(0, columns_of(STDERR_FILENO) - 1);
  if (!put((open_ ? over_line_of(open_width_) : "\r\033[K") + shown)) return;
  last_ = std::chrono::steady_clock::now();
  open_ = true;
  open_width_ = width_of(shown);
}

}  // namespace millrace
