#include "augment/sheet.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "pipeline/error.h"

namespace millrace::augment {
namespace {

constexpr int kMargin = 20, kGap = 16, kLine = 15, kHeading = 19, kPadding = 10, kTitle = 34, kMaxSide = 16384;
constexpr double kSmall = 0.40, kMedium = 0.44, kLarge = 0.62;  // Heights of letters, in OpenCV's unit of about 22 pixels.
const cv::Scalar kInk(40, 40, 40), kGrey(120, 120, 120), kRed(45, 45, 175), kPink(232, 232, 252), kWhite(255, 255, 255);

std::string ascii(std::string text) {
  for (char& c : text)
    if (c < 32 || c > 126) c = '?';
  return text;
}

int width_of(const std::string& text, double scale) { return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, 1, nullptr).width; }

// Letters are drawn four times as large and shrunk: OpenCV's own antialiasing leaves small ones ragged.
void write(cv::Mat& sheet, const std::string& text, int x, int baseline, double scale, const cv::Scalar& colour) {
  constexpr int kUp = 4;
  const int above = static_cast<int>(scale * 26) + 2, below = static_cast<int>(scale * 10) + 2, left = 2;
  const cv::Rect box =
      cv::Rect(x - left, baseline - above, width_of(text, scale) + 2 * left + 2, above + below) & cv::Rect({}, sheet.size());
  if (text.empty() || box.empty()) return;
  cv::Mat large(box.height * kUp, box.width * kUp, CV_8UC1, cv::Scalar(0)), small;
  cv::putText(large, text, {(x - box.x) * kUp, (baseline - box.y) * kUp}, cv::FONT_HERSHEY_SIMPLEX, scale * kUp, 255,
              std::max(4, static_cast<int>(std::lround(scale * 12))), cv::LINE_8);
  cv::resize(large, small, box.size(), 0, 0, cv::INTER_AREA);
  for (int r = 0; r < box.height; ++r)
    for (int c = 0; c < box.width; ++c) {
      cv::Vec3b& pixel = sheet.at<cv::Vec3b>(box.y + r, box.x + c);
      const double alpha = small.at<std::uint8_t>(r, c) / 255.0;
      for (int k = 0; k < 3; ++k) pixel[k] = cv::saturate_cast<std::uint8_t>(pixel[k] * (1 - alpha) + colour[k] * alpha);
    }
}

// Breaks at spaces; a word that is longer than a line (a path) breaks anywhere.
std::vector<std::string> wrap(const std::string& text, int width, double scale) {
  std::vector<std::string> lines;
  std::string line;
  const auto flush = [&] {
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    line.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size() - 1);
    std::string word = text.substr(at, space - at + 1);
    at = space + 1;
    if (width_of(line + word, scale) > width) flush();
    for (; width_of(word, scale) > width && word.size() > 1;) {
      std::size_t fits = 1;
      while (width_of(word.substr(0, fits + 1), scale) <= width) ++fits;
      lines.push_back(word.substr(0, fits));
      word.erase(0, fits);
    }
    line += word;
  }
  flush();
  return lines;
}

std::string cut(const std::string& text, int width, double scale) {
  if (width_of(text, scale) <= width) return text;
  std::string head = text;
  while (!head.empty() && width_of(head + "...", scale) > width) head.pop_back();
  return head + "...";
}

Size shown_size(const ImageView& image, int side) {
  const int longer = std::max(image.width, image.height);
  if (longer <= side) return {image.width * (side / longer), image.height * (side / longer)};
  const auto scaled = [&](int v) { return std::max(1, static_cast<int>(std::lround(double(v) * side / longer))); };
  return {scaled(image.width), scaled(image.height)};
}

cv::Mat shown(const ImageView& image, Size size) {
  const cv::Mat raw(image.height, image.width, CV_8UC(image.channels), const_cast<std::uint8_t*>(image.data),
                    static_cast<std::size_t>(image.stride_bytes));
  cv::Mat bgr, out;
  cv::cvtColor(raw, bgr, image.channels == 3 ? cv::COLOR_RGB2BGR : cv::COLOR_GRAY2BGR);
  cv::resize(bgr, out, {size.width, size.height}, 0, 0, size.width > image.width ? cv::INTER_NEAREST : cv::INTER_AREA);
  return out;
}

struct Row {
  int y = 0, picture_height = 0, height = 0;
};

class Drawing {
 public:
  Drawing(const std::vector<std::vector<SheetCell>>& rows, const SheetOptions& options) : rows_(rows), options_(options) { lay_out(); }

  std::vector<std::uint8_t> draw() {
    write(sheet_, cut(ascii(options_.title), sheet_.cols - 2 * kMargin, kLarge), kMargin, kMargin + 14, kLarge, kInk);
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t c = 0; c < rows_[r].size(); ++c)
        draw_cell(rows_[r][c], places_[r], kMargin + static_cast<int>(c) * (options_.side + kGap));
    std::vector<std::uint8_t> png;
    if (!cv::imencode(".png", sheet_, png)) throw Error(ErrorKind::internal, "OpenCV could not encode the sheet");
    return png;
  }

 private:
  void lay_out() {
    std::size_t columns = 1;
    int y = kMargin + kTitle;
    for (const auto& row : rows_) {
      columns = std::max(columns, row.size());
      Row place{.y = y};
      std::size_t lines = 0;
      for (const SheetCell& cell : row) {
        place.picture_height =
            std::max(place.picture_height, cell.image.data ? shown_size(cell.image, options_.side).height : field_height(cell));
        if (cell.image.data) lines = std::max(lines, wrap(ascii(cell.text), options_.side, kSmall).size());
      }
      place.height = kHeading + place.picture_height + 6 + static_cast<int>(lines) * kLine;
      places_.push_back(place);
      y += place.height + kGap;
    }
    const std::size_t width = 2 * kMargin + columns * static_cast<std::size_t>(options_.side + kGap) - kGap;
    if (width > kMaxSide || y + kMargin > kMaxSide)
      throw Error(ErrorKind::usage, "a sheet of " + std::to_string(width) + " x " + std::to_string(y + kMargin) + " pixels is too large",
                  "ask for fewer samples or versions");
    sheet_ = cv::Mat(y - kGap + kMargin, static_cast<int>(width), CV_8UC3, kWhite);
  }
  std::vector<std::string> field_lines(const SheetCell& cell) const { return wrap(ascii(cell.text), options_.side - 2 * kPadding, kSmall); }
  int field_height(const SheetCell& cell) const {
    return std::max(options_.side * 5 / 8, static_cast<int>(field_lines(cell).size()) * kLine + 2 * kPadding);
  }

  void draw_cell(const SheetCell& cell, const Row& place, int x) {
    write(sheet_, cut(ascii(cell.heading), options_.side, kMedium), x, place.y + 12, kMedium, cell.image.data ? kInk : kRed);
    const int top = place.y + kHeading;
    if (!cell.image.data) {
      const cv::Rect field(x, top, options_.side, place.picture_height);
      cv::rectangle(sheet_, field, kPink, cv::FILLED);
      cv::rectangle(sheet_, field, kRed, 1);
      return draw_lines(field_lines(cell), x + kPadding, top + kPadding + 11, kRed);
    }
    const Size size = shown_size(cell.image, options_.side);
    shown(cell.image, size).copyTo(sheet_(cv::Rect(x, top, size.width, size.height)));
    draw_lines(wrap(ascii(cell.text), options_.side, kSmall), x, top + size.height + 17, kGrey);
  }
  void draw_lines(const std::vector<std::string>& lines, int x, int baseline, const cv::Scalar& colour) {
    for (const std::string& line : lines) {
      write(sheet_, line, x, baseline, kSmall, colour);
      baseline += kLine;
    }
  }

  const std::vector<std::vector<SheetCell>>& rows_;
  const SheetOptions& options_;
  std::vector<Row> places_;
  cv::Mat sheet_;
};

}  // namespace

std::vector<std::uint8_t> draw_sheet(const std::vector<std::vector<SheetCell>>& rows, const SheetOptions& options) {
  return Drawing(rows, options).draw();
}

}  // namespace millrace::augment
